"""Texts of the files that `pytools new` writes for a project; $name and the like are filled in."""

from __future__ import annotations

import textwrap

_HEAD = """\
; $name on $board, made by `pytools new` from $source
[env:$board]
platform = $platform
"""
_COMMON = """\
extra_scripts = pre:pio.py
custom_image = src/model/$name.sdfa
"""
_BARE = (
    """\
board = $board_id
board_build.ldscript = src/board/board.ld
build_flags = -Isrc/board -Isrc/model -Lsrc/board
"""
    + _COMMON
)

HOSTED = _HEAD + "build_flags = -Isrc/board -Isrc/model\n" + _COMMON
QEMU = (
    _HEAD
    + _BARE
    + """\
upload_port = socket://127.0.0.1:5555
monitor_port = socket://127.0.0.1:5555
"""
)
STM32 = (
    _HEAD
    + """\
platform_packages = platformio/toolchain-gccarmnoneeabi@>=1.120201.0,<1.130000.0
"""
    + _BARE
    + """\
monitor_speed = 115200
"""
)
SKETCH = (
    _HEAD
    + """\
board = $board_id
framework = arduino
build_flags = -Isrc/board -Isrc/model -DSDFA_BOARD=\\"$board\\"
monitor_speed = 115200
"""
    + _COMMON
)

_GATE = """
/* The safety net: samples that are held out, and the weights to go back to. */
static void hold_out(struct sdfa_device *d) {
    static struct sdfa_gate gate;
    static uint32_t held[$held_len / 4], copy[${NAME}_TAIL_LEN / 4];
    int error = sdfa_gate_init(&gate, &d->net, held, sizeof held, copy, sizeof copy);

    d->link.gate = error ? 0 : &gate;
}
"""


def _net(gate: bool) -> str:
    """The net, its memory, and what the link offers."""
    include, part, call = (
        ('#include "sdfa_gate.h"\n', ", &sdfa_link_gate", "    hold_out(d);\n") if gate else ("", "", "")
    )
    return f"""\
#include "$name.h"
#include "sdfa_device.h"
{include}
static struct sdfa_device device;
static uint32_t arena[${{NAME}}_ARENA_LEN / 4]$tail_room;
static const struct sdfa_link_part *const parts[] = {{&sdfa_link_selftest{part}}};
{_GATE if gate else ""}
static void begin(struct sdfa_device *d) {{
    d->link.parts = parts;
    d->link.part_n = sizeof parts / sizeof *parts;
{call}}}

static const struct sdfa_model model = {{
    ${{name}}_image, ${{NAME}}_IMAGE_LEN, &${{name}}_kernels, arena, sizeof arena, $tail, 0, begin,
}};
"""


_SENSOR = """\
        if (a sample has come from the sensor) {
            memcpy(sdfa_input(&device.net), sample, ${NAME}_INPUT_LEN);     int8, as the model's input
            sdfa_run(&device.net);
            guess = sdfa_class(&device.net);
            if (somebody says what it was)
                sdfa_learn(&device.net, label);
        }
"""
_C_HEAD = """\
/* $name on $board: answers the device link (`pytools device`, `pytools check --target serial:PORT`), which can run,
 * teach and save the net. Where the board itself has samples, add what the comment in main shows. */
"""
_C_MAIN = f"""
int main(void) {{
    (void)sdfa_device_open(&device, &model); /* device.error: why it could not be opened; the link tells it too */
    for (;;) {{
        sdfa_device_poll(&device);
        /*
{_SENSOR}\
        */
    }}
}}
"""
_CPP_HEAD = """\
// $name on $board: answers the device link (`pytools device`, `pytools check --target serial:PORT`), which can run,
// teach and save the net. Where the board itself has samples, add what the comment in loop shows.
#include <Arduino.h>

"""
_CPP_MAIN = f"""
void setup() {{
    (void)sdfa_device_open(&device, &model); // device.error: why it could not be opened; the link tells it too
}}

void loop() {{
    sdfa_device_poll(&device);
    /*
{textwrap.indent(textwrap.dedent(_SENSOR), "    ")}\
    */
}}
"""


def main_text(arduino: bool, gate: bool) -> str:
    """main.c, or main.cpp for the Arduino framework. gate: with the safety net."""
    return f"{_CPP_HEAD}{_net(gate)}{_CPP_MAIN}" if arduino else f"{_C_HEAD}{_net(gate)}{_C_MAIN}"


SERIAL = {"native": "socket://127.0.0.1:5555", "esp32dev": "/dev/ttyUSB0"} | dict.fromkeys(
    ("qemu_m0", "qemu_m3", "qemu_m4", "qemu_m7", "qemu_m33", "qemu_m55"), "socket://127.0.0.1:5555"
)
"""Where the device link of a board is likely to be."""

START = {
    HOSTED: "pio run\nSDFA_LISTEN=5555 .pio/build/native/program &    # its flash: flash.bin in this folder",
    QEMU: "pio run -t upload    # builds, and starts QEMU; pio run -t power_off ends it",
    SKETCH: "pio run -t upload    # builds and flashes",
}

README = """\
# $name on $board

Made by `pytools new` from `$source`. It builds as it is:

```sh
$start
pytools device info --port $serial
pytools check src/model/$name.sdfa --target serial:$serial
```

`check` and the other commands with `--target` begin with the weights of the image that they are given, and put back
what the device had learned. `src/main.c*` is yours. `src/model/` is what `pytools export` wrote; when the model
changes: `pytools export NEW.tflite --name $name -o src/model`. `src/board/` is the board's
port, `lib/sdfa/` the library; `lib/sdfa/src/sdfa.h` is its interface.
"""
