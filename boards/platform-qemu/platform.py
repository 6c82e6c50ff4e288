"""The platform of emulated boards: how the emulator is called."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from platformio.exception import UserSideException
from platformio.public import PlatformBase

EMULATOR = "qemu-system-arm"


class QemuPlatform(PlatformBase):
    def is_embedded(self):
        return True

    def emulator(self, board, program, serial):
        """The command line that runs `program` (ELF) on a board's machine, its serial port on QEMU's `serial`."""
        found = shutil.which(EMULATOR)
        if not found:
            raise UserSideException(f"{EMULATOR} not found: install QEMU (apt install qemu-system-arm)")
        machine = board.get("build.machine")
        quiet = ("-display", "none", "-monitor", "none")
        return [found, "-M", machine, *quiet, "-serial", serial, "-kernel", str(program)]

    def power_on(self, board, program, url, pid_file):
        """Starts the emulator in the background; returns when its serial port can be reached at url."""
        if not url.startswith("socket://"):
            raise UserSideException(f"upload port {url!r}: an emulated board's is like socket://127.0.0.1:5555")
        self.power_off(pid_file)
        serial = f"tcp:{url[len('socket://') :]},server=on,wait=off,nodelay=on"
        command = [*self.emulator(board, program, serial), "-daemonize", "-pidfile", str(pid_file)]
        started = subprocess.run(command, capture_output=True, text=True, check=False)
        if started.returncode != 0:
            raise UserSideException(f"QEMU: {started.stderr.strip()}: is {url} in use? give another --upload-port")

    def power_off(self, pid_file):
        """Ends the emulator that power_on started, if it still runs."""
        path = Path(pid_file)
        if not path.is_file():
            return
        pid = path.read_text().strip()
        args = subprocess.run(["ps", "-p", pid, "-o", "args="], capture_output=True, text=True, check=False).stdout
        if str(path) in args:  # else the number belongs to another program by now
            os.kill(int(pid), signal.SIGTERM)
            subprocess.run(["timeout", "5", "tail", f"--pid={pid}", "-f", os.devnull], check=False)
        path.unlink(missing_ok=True)
