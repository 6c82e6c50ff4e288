"""How `pio test` judges a program (firmware/test/test_custom_runner.py): silence, lies, crashes and hangs all fail."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.piokit import ROOT, Pio

pytestmark = pytest.mark.qemu
INI = "[env:native]\nplatform = platformio/native\ntest_framework = custom\ncustom_test_time_limit = 3\n"
PASSES = 'puts("main.c:1:test_a:PASS");'
FAILS = 'puts("main.c:1:test_a:FAIL: x == 1");'
LAST = 'puts("%d Tests %d Failures 0 Ignored");'
# what main does -> what is told, None where it passes
PROGRAMS = {
    "passes": (PASSES + LAST % (1, 0), None),
    "fails": (FAILS + LAST % (1, 1) + "return 1;", ""),
    "silent": ("", "the program ended without its last line"),
    "cut": (PASSES + "return 5;", "the program ended without its last line, exit code 5"),
    "crash": (PASSES + LAST % (1, 0) + "fflush(stdout); abort();", "the program was ended by SIGABRT"),
    "code": (PASSES + LAST % (1, 0) + "return 1;", "exit code 1 with 0 failures"),
    "hides": (FAILS + LAST % (1, 1), "exit code 0 with 1 failures"),
    "loses": (PASSES + LAST % (2, 0), "1 passed and 0 failed, but the last line says 2 tests and 0 failures"),
    "nothing": (LAST % (0, 0), "0 passed and 0 failed, but the last line says 0 tests and 0 failures"),
    "hangs": (PASSES + "fflush(stdout); for (;;) {}", "no end within 3 s"),
}


def test_each_ends_as_it_should(tmp_path: Path) -> None:
    for name, (body, _) in PROGRAMS.items():
        suite = tmp_path / "project" / "test" / f"test_{name}"
        suite.mkdir(parents=True)
        code = f"#include <stdio.h>\n#include <stdlib.h>\nint main(void) {{ {body} return 0; }}\n"
        (suite / "main.c").write_text(code)
    (tmp_path / "project" / "platformio.ini").write_text(INI)
    shutil.copy(ROOT / "firmware" / "test" / "test_custom_runner.py", tmp_path / "project" / "test")
    ran = Pio(tmp_path / "core", tmp_path / "project", tmp_path / "work").run("test")
    assert ran.returncode == 1
    for name, (_, told) in PROGRAMS.items():
        (part,) = re.findall(rf"Processing test_{name} in.*?native:test_{name} \[\w+\]", ran.stdout, re.DOTALL)
        status = {None: "PASSED", "": "FAILED"}.get(told, "ERRORED")
        assert part.endswith(f"[{status}]"), part
        assert (told or "") in part, part
