"""Firmware without a framework: the flags of the official builder's bare form, no more."""

from SCons.Script import AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
PREFIX = "arm-none-eabi-"
env.Replace(
    AR=f"{PREFIX}gcc-ar",
    AS=f"{PREFIX}as",
    CC=f"{PREFIX}gcc",
    CXX=f"{PREFIX}g++",
    OBJCOPY=f"{PREFIX}objcopy",
    RANLIB=f"{PREFIX}gcc-ranlib",
    SIZETOOL=f"{PREFIX}size",
    ARFLAGS=["rc"],
    SIZEPROGREGEXP=r"^(?:\.text|\.data|\.rodata|\.text.align|\.ARM.exidx)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
cpu = f"-mcpu={env.BoardConfig().get('build.cpu')}"
env.Append(
    ASFLAGS=["-mthumb", cpu],
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=["-Os", "-ffunction-sections", "-fdata-sections", "-Wall", "-mthumb", cpu],
    CXXFLAGS=["-fno-rtti", "-fno-exceptions"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS=["-Os", "-Wl,--gc-sections,--relax", "-mthumb", cpu],
    LIBS=["c", "gcc", "m"],  # and stdc++, which Debian has not; C takes nothing from it
    BUILDERS={
        "ElfToBin": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary $SOURCES $TARGET", "Building $TARGET"), suffix=".bin"
        )
    },
)

program = env.BuildProgram()
binary = env.ElfToBin("$BUILD_DIR/${PROGNAME}", program)
env.Depends(binary, "checkprogsize")
upload = env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")
AlwaysBuild(env.Alias("upload", binary, upload))
AlwaysBuild(env.Alias("size", program, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE")))
Default([env.Alias("buildprog", binary, binary)])
