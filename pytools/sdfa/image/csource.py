"""An image as C source: the same bytes, the sizes as macros, and the table of kernels that the linker needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sdfa.errors import SdfaError
from sdfa.image.packing import repack
from sdfa.image.reader import Image
from sdfa.image.records import FEEDBACKS, LOSSES, table_count

DSP_CORE = "defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_FEATURE_MVE)"
"""Cores that packed weights are for, as sdfa_core.h has them."""


@dataclass(frozen=True)
class CSource:
    header: str
    source: str


_HEADERS = {"stddef", "stdint", "string"}
_NAME_MAX = 40  # with what is appended, compilers must tell 63 characters apart


def c_name(name: str) -> str:
    """A model's name as a C identifier. SdfaError when nothing is left of it, or too much."""
    ident = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    if not ident or ident[0].isdigit() or len(ident) > _NAME_MAX:
        hint = f"at most {_NAME_MAX} letters, digits, underscores"
        raise SdfaError(f"{name[: _NAME_MAX + 1]!r} does not make a C name; give one with --name ({hint})")
    if re.fullmatch(r"sdfa(_.*)?", ident, re.IGNORECASE) or ident.lower() in _HEADERS:
        raise SdfaError(f"{ident}.h is a header of the runtime, or one that it includes: give another name with --name")
    return ident


def _kernel_names(image: Image) -> list[str]:
    return sorted({kind for kind, _ in image.ops})


def _tensor_len(image: Image, i: int) -> int:
    t = image.tensors[i]
    return int(t["h"]) * int(t["w"]) * int(t["c"])


def _header(name: str, image: Image) -> str:
    upper = name.upper()
    head = image.header
    sizes = {
        "IMAGE_LEN": head["image_len"], "ARENA_LEN": head["arena_len"], "TAIL_LEN": head["tail_len"],
        "INPUT_LEN": _tensor_len(image, head["input"]), "OUTPUT_LEN": _tensor_len(image, head["output"]),
    }  # fmt: skip
    lines = [f"#define {upper}_{key} {value}u" for key, value in sizes.items()]
    return f"""/* Made by `pytools export` from {image.meta.get("source", "a model")}. Do not edit. */
#ifndef {upper}_H
#define {upper}_H

#include "sdfa.h"

#if SDFA_API_VERSION != 1 || SDFA_IMAGE_VERSION != {image.header["version"]}
#error "{name} was exported for another version of sdfa: run pytools export again"
#endif

#ifdef __cplusplus
extern "C" {{
#endif

/* RAM: {upper}_ARENA_LEN + {upper}_TAIL_LEN + sizeof(struct sdfa) bytes, and the stack. */
{chr(10).join(lines)}

extern const uint32_t {name}_image[{upper}_IMAGE_LEN / 4];
extern const struct sdfa_kernels {name}_kernels;

#ifdef __cplusplus
}}
#endif

#endif
"""


def _words(data: bytes) -> str:
    words = np.frombuffer(data, "<u4")
    rows = (words[i : i + 8] for i in range(0, len(words), 8))
    return "\n".join("    " + " ".join(f"0x{w:08x}," for w in row) for row in rows)


def _image_words(data: bytes) -> str:
    """The plain image, and for cores with the DSP extension the same with packed weights; the compiler picks."""
    plain, packed = repack(data, "plain"), repack(data, "dsp")
    if plain == packed:
        return _words(plain)
    return f"#if {DSP_CORE} /* weights packed for this core */\n{_words(packed)}\n#else\n{_words(plain)}\n#endif"


_TRANSPORTS = {"bp": 1, "live": 2}
"""Kinds that read the present weights, and their slots."""


def _rules(image: Image) -> str:
    """Initialisers of the slots for loss, feedback and update."""
    losses, feedbacks, updates = ["0", "0"], ["0", "0", "0"], ["0", "0"]
    if image.learning is not None:
        loss = int(image.learning["loss"])
        losses[loss] = f"&sdfa_loss_{LOSSES[loss]}"
        feedback, layer_n = FEEDBACKS[int(image.learning["feedback"])], len(image.layers)
        if table_count(feedback, layer_n):
            feedbacks[0] = "&sdfa_feedback_table"
        if feedback in _TRANSPORTS and layer_n > 1:
            few = "_two" if feedback == "live" and int(image.layers[-2]["k"]) <= 2 else ""
            feedbacks[_TRANSPORTS[feedback]] = f"&sdfa_feedback_{feedback}{few}"
        master = bool(image.learning["master_bits"])
        updates[int(master)] = "&sdfa_update_master" if master else "&sdfa_update_int8"
    return ", ".join(f"{{{', '.join(slots)}}}" for slots in (losses, feedbacks, updates))


def write_csource(name: str, image: Image, data: bytes) -> CSource:
    """name: a C identifier; data: the bytes of `image`, a multiple of 4 long."""
    kernels = "\n".join(f"    &sdfa_kernel_{kind}," for kind in _kernel_names(image))
    source = f"""/* Made by `pytools export` from {image.meta.get("source", "a model")}. Do not edit. */
#include "{name}.h"

static const struct sdfa_kernel *const kernels[] = {{
{kernels}
}};

const struct sdfa_kernels {name}_kernels = {{
    kernels, sizeof kernels / sizeof kernels[0], {_rules(image)}}};

const uint32_t {name}_image[{name.upper()}_IMAGE_LEN / 4] = {{
{_image_words(data)}
}};
"""
    return CSource(_header(name, image), source)
