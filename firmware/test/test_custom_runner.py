"""How `pio test` runs a suite: here, in the emulator, or on a board, within a time limit, and what counts as passed.

A suite that prints no last line, loses lines, crashes or hangs has failed; so has a program whose exit code does not
fit its tests. The limit in seconds is the option custom_test_time_limit.
"""

import queue
import signal
import subprocess
import threading
import time
from pathlib import Path

import serial
from platformio.public import TestStatus, UnityTestRunner
from platformio.test.exception import UnitTestError
from platformio.test.runners.readers.serial import SerialTestOutputReader

TIME_LIMIT_S = 120


class CustomTestRunner(UnityTestRunner):
    EXTRA_LIB_DEPS = None  # checks.h is all that the suites need
    promised = None  # tests and failures of the last line

    def configure_build_env(self, env):
        return env

    def stage_uploading(self):
        """An emulator needs none, but the program must be built."""
        if self.platform.name != "qemu":
            super().stage_uploading()
        elif not self.options.without_building:
            self.run_project_targets(["__test"])

    def stage_testing(self):
        if self.options.without_testing:
            return
        command = self.command()
        code = self.read_program(command) if command else self.read_serial()
        self.judge(code)

    def option(self, name, default=None):
        return self.project_config.get(f"env:{self.test_suite.env_name}", name, default)

    def folder(self):
        """Where the program is, and its flash if that is a file."""
        return Path(self.project_config.get("platformio", "build_dir")).resolve() / self.test_suite.env_name

    def command(self):
        """What runs the program and prints its serial port; None: a real board does."""
        folder = self.folder()
        if self.platform.name == "qemu":
            board = self.platform.board_config(self.option("board"))
            return self.platform.emulator(board, folder / "firmware.elf", "stdio")
        if self.platform.is_embedded():
            return None
        found = [path for path in (folder / "program", folder / "program.exe") if path.is_file()]
        return [*map(str, found[:1]), *(self.options.program_args or ())]

    def limit(self):
        return float(self.option("custom_test_time_limit", TIME_LIMIT_S))

    def too_late(self):
        return UnitTestError(f"no end within {self.limit():g} s: it hangs, or custom_test_time_limit is too short")

    def read_program(self, command):
        """Its exit code; None where the emulator was stopped behind the last line."""
        end = time.monotonic() + self.limit()
        chunks = queue.Queue()
        program = subprocess.Popen(
            command, cwd=self.folder(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            bufsize=0,
        )  # fmt: skip
        threading.Thread(target=pump, args=(program.stdout, chunks), daemon=True).start()
        try:
            while chunk := chunks.get(timeout=max(end - time.monotonic(), 0)):
                self.on_testing_data_output(chunk)
                if self.promised and self.platform.is_embedded():
                    return None
            return program.wait(timeout=max(end - time.monotonic(), 0.1))
        except (queue.Empty, subprocess.TimeoutExpired):
            raise self.too_late() from None
        finally:
            program.kill()
            program.wait()

    def read_serial(self):
        """From a board that was flashed just now."""
        end = time.monotonic() + self.limit()
        port = SerialTestOutputReader(self).resolve_test_port()
        with serial.serial_for_url(port, baudrate=self.get_test_speed(), timeout=1) as line:
            while not self.promised:
                if time.monotonic() > end:
                    raise self.too_late()
                self.on_testing_data_output(line.read(1))

    def on_testing_line_output(self, line):
        words = line.split()
        if words[1::2] == ["Tests", "Failures", "Ignored"]:
            self.promised = (int(words[0]), int(words[2]))
        super().on_testing_line_output(line)

    def judge(self, code):
        """UnitTestError if the lines, the last line and the exit code do not tell one story."""
        if code is not None and code < 0:
            raise UnitTestError(f"the program was ended by {signal.Signals(-code).name}")
        if self.promised is None:
            raise UnitTestError(f"the program ended without its last line{f', exit code {code}' if code else ''}")
        tests, failures = self.promised
        failed = {case.name for case in self.test_suite.cases if case.status == TestStatus.FAILED}
        passed = self.test_suite.get_status_nums(TestStatus.PASSED)
        if (passed, len(failed)) != (tests - failures, failures) or tests == 0:
            seen = f"{passed} passed and {len(failed)} failed"
            raise UnitTestError(f"{seen}, but the last line says {tests} tests and {failures} failures")
        if code is not None and code != (1 if failures else 0):
            raise UnitTestError(f"exit code {code} with {failures} failures")


def pump(stream, chunks):
    while chunk := stream.read(4096):
        chunks.put(chunk)
    chunks.put(b"")
