"""Texts of the files that `pytools new` writes for a project; $name and the like are filled in."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

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


_TRACE = """
/* What was learned, step by step: `pytools device trace` fetches it, `replay` repeats it. */
static void trace(struct sdfa_device *d) {
    static struct sdfa_trace steps;
    static uint32_t traced[$trace_len / 4];
    int error = sdfa_trace_init(&steps, &d->net, traced, sizeof traced, 0, 0);

    d->link.trace = error ? 0 : &steps;
}
"""
_SLOTS = """
/* Other models over the link: `pytools device push`. They use this one's memory. */
static int open_slots(struct sdfa_device *d) {
    static struct sdfa_slots slots;
    const struct sdfa_model *m = d->model;

    slots.flash = sdfa_port.slots;
    slots.base = sdfa_port.slots_base;
    slots.kernels = m->kernels;
    slots.arena = m->arena;
    slots.arena_len = m->arena_len;
    slots.tail = m->tail;
    slots.tail_len = m->tail_len;
    d->link.slots = &slots;
    return sdfa_slots_open(&slots, &d->net, m->image, m->image_len);
}
"""


@dataclass(frozen=True)
class Part:
    """Of the device program: what it needs to be there. call: in `begin`. what: for people."""

    headers: str
    part: str
    text: str
    call: str
    what: str


PARTS = {
    "gate": Part('#include "sdfa_gate.h"\n', "sdfa_link_gate", _GATE, "    hold_out(d);\n",
                 "held-out samples that judge what was learned (`device evaluate --hold-out`, `hold_out`)"),
    "trace": Part('#include "sdfa_trace.h"\n', "sdfa_link_trace", _TRACE, "    trace(d);\n",
                  "a trace of what was learned (`device trace`, `trace`)"),
    "slots": Part('#include "sdfa_port.h"\n#include "sdfa_slots.h"\n', "sdfa_link_push", _SLOTS, "",
                  "other models over the link (`device push`, `open_slots`)"),
}  # fmt: skip


def _net(parts: Sequence[str]) -> str:
    """The net, its memory, and what the link offers: of PARTS."""
    chosen = [PARTS[name] for name in PARTS if name in parts]
    named = "".join(f", &{part.part}" for part in chosen)
    return f"""\
#include "$name.h"
#include "sdfa_device.h"
{"".join(part.headers for part in chosen)}
static struct sdfa_device device;
static uint32_t arena[${{NAME}}_ARENA_LEN / 4]$tail_room;
static const struct sdfa_link_part *const parts[] = {{&sdfa_link_selftest{named}}};
{"".join(part.text for part in chosen)}
static void begin(struct sdfa_device *d) {{
    d->link.parts = parts;
    d->link.part_n = sizeof parts / sizeof *parts;
{"".join(part.call for part in chosen)}}}

static const struct sdfa_model model = {{
    ${{name}}_image, ${{NAME}}_IMAGE_LEN, &${{name}}_kernels, arena, sizeof arena, $tail,
    {"open_slots" if "slots" in parts else "0"}, begin,
}};
"""


def parts_text(parts: Sequence[str]) -> str:
    """What the program offers beside running, learning and saving, and what it leaves out, for the project's README."""
    has = ["- the self-test (`device selftest`)", *(f"- {part.what}" for name, part in PARTS.items() if name in parts)]
    lacks = "; ".join(part.what for name, part in PARTS.items() if name not in parts)
    left = f"\n\nLeft out, as the model, the board or its port has no room for it: {lacks}." if lacks else ""
    return "\n".join(has) + left


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


def main_text(arduino: bool, parts: Sequence[str]) -> str:
    """main.c, or main.cpp for the Arduino framework. parts: of PARTS."""
    return f"{_CPP_HEAD}{_net(parts)}{_CPP_MAIN}" if arduino else f"{_C_HEAD}{_net(parts)}{_C_MAIN}"


SERIAL = {"native": "socket://127.0.0.1:5555", "esp32dev": "/dev/ttyUSB0"} | dict.fromkeys(
    ("qemu_m0", "qemu_m3", "qemu_m4", "qemu_m7", "qemu_m33", "qemu_m55"), "socket://127.0.0.1:5555"
)
"""Where the device link of a board is likely to be."""

PINS = {
    "bluepill_f103c8": "USART1 on PA9 (out) and PA10 (in), 115200 baud, 3.3 V. It takes a USB serial adapter:\nits TX "
    "to PA10, its RX to PA9, ground to ground; its port is the one to give. The board's own USB socket is not used",
    "nucleo_f446re": "USART2 on PA2 (out) and PA3 (in), 115200 baud; the ST-LINK brings it to the USB socket",
    "netduino2plus": "USART2 on PA2 (out) and PA3 (in), 115200 baud, 3.3 V. It takes a USB serial adapter",
}
"""Where the serial port is on boards that have no framework to say so: boards/stm32f1/family.h, stm32f4/family.h."""

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

$serial_text
The device program offers, beside running, learning and saving:

$parts

Each is a name in the table `parts` of `src/main.c*` and a function there: what is taken out of both is not linked. To
put one in, see `sdfa_gate.h`, `sdfa_trace.h` and `sdfa_slots.h` of the library; slots need a region of flash in the
port (`sdfa_port.slots`).

`check` and the other commands with `--target` begin with the weights of the image that they are given, and put back
what the device had learned. `src/main.c*` is yours. `src/model/` is what `pytools export` wrote; when the model
changes: `pytools export NEW.tflite --name $name -o src/model`. `src/board/` is the board's
port, `lib/sdfa/` the library; `lib/sdfa/src/sdfa.h` is its interface.
"""
