"""The platform of emulated boards: how the emulator is called."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from platformio.exception import UserSideException
from platformio.public import PlatformBase

EMULATOR = "qemu-system-arm"
PID_FILE = "qemu.pid"


class QemuPlatform(PlatformBase):
    def is_embedded(self):
        return True

    def emulator(self, board, program, serial):
        """The command line that runs `program` (ELF) on a board's machine, its serial port on QEMU's `serial`.

        The board's flash is the file flash.bin in the emulator's working folder.
        """
        found = shutil.which(EMULATOR)
        if not found:
            raise UserSideException(f"{EMULATOR} not found: install QEMU (apt install qemu-system-arm)")
        quiet = ("-display", "none", "-monitor", "none", "-semihosting-config", "enable=on,target=native")
        return [found, "-M", board.get("build.machine"), *quiet, "-serial", serial, "-kernel", str(program)]

    def power_on(self, board, program, url, folder):
        """Starts the emulator in the background, in folder; it begins when somebody opens its serial port, url."""
        if not url.startswith("socket://"):
            raise UserSideException(f"upload port {url!r}: an emulated board's is like socket://127.0.0.1:5555")
        folder.mkdir(parents=True, exist_ok=True)
        self.power_off(folder)
        serial = f"tcp:{url[len('socket://') :]},server=on,wait=on,nodelay=on"
        pid_file, log = folder / PID_FILE, folder / "qemu.log"
        command = [*self.emulator(board, program, serial), "-pidfile", str(pid_file)]
        with log.open("w") as said:
            started = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        while "waiting for connection" not in log.read_text():
            if started.poll() is not None:
                why = (log.read_text().splitlines() or ["QEMU ended at once"])[0]
                raise UserSideException(f"{why} (if {url} is in use, give another --upload-port)")
            time.sleep(0.05)

    def power_off(self, folder):
        """Ends the emulator that power_on started, if it still runs. Returns whether it did."""
        pid_file = folder / PID_FILE
        if not pid_file.is_file():
            return False
        pid = pid_file.read_text().strip()
        running = str(pid_file) in arguments(pid)
        if running:  # else the number belongs to another program by now
            os.kill(int(pid), signal.SIGTERM)
            while str(pid_file) in arguments(pid):
                time.sleep(0.05)
        pid_file.unlink(missing_ok=True)
        return running


def arguments(pid):
    """The command line of a process; empty if there is none, or it has ended."""
    try:
        if Path("/proc/self").exists():
            return Path("/proc", pid, "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
    return subprocess.run(["ps", "-ww", "-p", pid, "-o", "args="], capture_output=True, text=True, check=False).stdout
