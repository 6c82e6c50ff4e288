"""A program for this computer."""

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
own = {name: env.get(name, []) for name in ("CFLAGS", "CXXFLAGS")}
env.Tool("gcc")
env.Tool("g++")
env.Append(**own)  # env.Tool forgets them

program = env.BuildProgram()
run = env.VerboseAction("$SOURCE $PROGRAM_ARGS", "Executing $SOURCE")
for target in ("exec", "upload"):
    AlwaysBuild(env.Alias(target, program, run))
AlwaysBuild(env.Alias("size", program, env.VerboseAction("size $SOURCE", "Calculating size $SOURCE")))
Default([program])
