"""What platformio.ini cannot say: PlatformIO runs this before it builds an environment.

Firmware without a framework is linked without the compiler's own start-up code. In tests the suite has its own main.
`-t check_device` compares the board that is plugged in with the integer twin, by `pytools check`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from SCons.Script import COMMAND_LINE_TARGETS, Import

Import("env")
env = globals()["env"]
STEPS = "100"  # learning steps that check_device compares


def check_device(target, source, env):
    """Exit code of `pytools check`, on the exported model that this firmware holds."""
    beside = Path(sys.executable).parent  # where pio runs in an environment that is not activated
    pytools = shutil.which("pytools") or shutil.which("pytools", path=beside)
    port = env.GetProjectOption("monitor_port", None) or env.GetProjectOption("upload_port", None)
    port = env.subst("$UPLOAD_PORT") or port
    if not pytools:
        print("Error: pytools not found: pip install sdfa", file=sys.stderr)
        return 1
    if not port:
        env.AutodetectUploadPort()
        port = env.subst("$UPLOAD_PORT")
    image = env.subst(env.GetProjectOption("custom_image"))
    return subprocess.run(
        [pytools, "check", image, "--steps", STEPS, "--target", f"serial:{port}"], check=False
    ).returncode


if "__test" in COMMAND_LINE_TARGETS:
    env.Append(SRC_FILTER=["-<firmware/device/main.c>", "-<src/main.c*>"])
if env.get("PIOPLATFORM") != "native" and not env.GetProjectOption("framework", None):
    env.Append(LINKFLAGS=["-nostartfiles", "--specs=nano.specs"])
env.AddCustomTarget("check_device", None, check_device, "Check device", "Compare the board with the integer twin")
