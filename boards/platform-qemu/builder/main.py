"""Builds firmware for an emulated board; `upload` starts it in the emulator, `power_off` ends that."""

import sys
from pathlib import Path

from platformio.exception import UserSideException
from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
PREFIX = "arm-none-eabi-"
core = ["-mthumb", *board.get("build.core_flags").split()]

env.Replace(
    AR=f"{PREFIX}gcc-ar",
    AS=f"{PREFIX}as",
    CC=f"{PREFIX}gcc",
    CXX=f"{PREFIX}g++",
    OBJCOPY=f"{PREFIX}objcopy",
    RANLIB=f"{PREFIX}gcc-ranlib",
    SIZETOOL=f"{PREFIX}size",
    ARFLAGS=["rc"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    ASFLAGS=core,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=["-Os", "-ffunction-sections", "-fdata-sections", "-Wall", *core],
    CXXFLAGS=["-fno-rtti", "-fno-exceptions"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS=["-Os", "-Wl,--gc-sections", *core],
    LIBS=["c", "gcc"],
)


# Not the build folder: PlatformIO empties that, and the flash of the board is here.
FOLDER = Path(env.subst("$PROJECT_WORKSPACE_DIR")).resolve() / "emulated" / env["PIOENV"]


def tried(action):
    """An action of SCons: an error of the user is one line."""

    def run(target, source, env):
        try:
            action(env.PioPlatform(), FOLDER, source)
        except UserSideException as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
        return 0

    return run


def start(platform, folder, source):
    url = env.subst("$UPLOAD_PORT") or "socket://127.0.0.1:5555"
    platform.power_on(board, Path(str(source[0])).resolve(), url, folder)
    print(f"{board.get('build.machine')} runs; its serial port is {url}")
    print(f"End it with: pio run -e {env['PIOENV']} -t power_off")


def stop(platform, folder, source):
    if not platform.power_off(folder):
        print("Nothing runs")


program = env.BuildProgram()
size = env.Alias("size", program, env.VerboseAction("$SIZETOOL -B -d $SOURCES", "Calculating size $SOURCE"))
AlwaysBuild(size)
env.AddPlatformTarget("upload", program, env.VerboseAction(tried(start), "Starting QEMU"), "Upload")
env.AddPlatformTarget("power_off", None, env.VerboseAction(tried(stop), "Stopping QEMU"), "Power off")
Default([program, size])
