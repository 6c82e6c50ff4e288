"""What a model costs on an emulated board: `pytools bench` as a function. The same figures in every run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Samples, load_inputs
from sdfa.device.adapt import learn_stage
from sdfa.device.check import made_up_samples
from sdfa.device.costs import Cost, Costs
from sdfa.device.device import Device, Info, Measure, Profile, Run, Stage
from sdfa.device.samples import class_count, input_shape, loss_of, quantize_input, samples_of
from sdfa.image.csource import c_name, write_csource
from sdfa.image.packing import layer_rows, op_macs, repack
from sdfa.image.reader import Image, read_image, sections_of
from sdfa.image.records import FEEDBACKS, table_count
from sdfa.targets import Qemu
from sdfa.targets.build import compiler_version
from sdfa.targets.size import code_len

RANDOM_SAMPLES = 10


def load_any(image: Image, path: Path) -> Samples:
    """Samples of a file; labels are read where the image learns."""
    if image.learning is None:
        x = load_inputs(path, input_shape=input_shape(image))
        return Samples(x, np.zeros(len(x), np.int64))
    return samples_of(image, path)


def bench(target: Qemu, data: bytes, samples: Samples | None = None, n: int | None = None) -> dict[str, Any]:
    """Measure an image on a target that counts. Returns the JSON of `pytools bench`; instructions are executed ones.

    samples: labels matter where the image learns; without samples they are random. n: how many to take at most.
    """
    image = read_image(data)
    n = n or (RANDOM_SAMPLES if samples is None else len(samples.x))
    chosen = samples or made_up_samples(image, n, np.random.default_rng(1))
    x, y = quantize_input(image, chosen.x)[:n], chosen.y[:n]
    teach: list[Stage] = [] if image.learning is None else [learn_stage(image, x, y), Measure()]
    session = Device(target, data).session([Run(x), Profile(x), Measure(), *teach])
    costs = session.costs
    return {
        "target": target.name, "core": target.machine.core, "compiler": compiler_version(target.recipe().compiler),
        "model_id": image.model_id.hex(), "name": image.meta.get("name"), "samples": len(x),
        "random_samples": samples is None,
        "instructions": _instructions(image, costs),
        "layers": _layers(image, session.profiles[0]),
        "stack": _stack(costs), "ram": _ram(session.info, costs), "flash": _flash(target, image, data),
    }  # fmt: skip


def _instructions(image: Image, costs: tuple[Costs, ...]) -> dict[str, Any]:
    """step: one sdfa_run and one sdfa_learn, as they were while the weights changed."""
    macs = sum(op_macs(image, kind, op) for kind, op in image.ops)
    run = costs[0].run
    found: dict[str, Any] = {
        "open": costs[0].open.mean, "bind": costs[0].bind.mean, "crc": _crc(image, costs[0]),
        "run": _spread(run), "macs": macs, "per_mac": run.mean / macs if macs else None,
    }  # fmt: skip
    if len(costs) > 1:
        found |= {"learn": _spread(costs[1].learn), "step": {"mean": costs[1].run.mean + costs[1].learn.mean}}
    return found


def _crc(image: Image, costs: Costs) -> dict[str, float]:
    """What the CRC-32 takes of sdfa_open: instructions, and for each byte of the image."""
    mean = costs.open.mean - costs.bind.mean
    return {"mean": mean, "per_byte": mean / int(image.header["image_len"])}


def _spread(cost: Cost) -> dict[str, int]:
    return {"mean": cost.mean, "min": cost.least, "max": cost.most}


def _layers(image: Image, profile: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """One row per operation; profile: instructions (n, operations)."""
    rows = []
    means = profile.mean(axis=0)
    for place, ((kind, op), mean) in enumerate(zip(image.ops, means, strict=True)):
        out, macs = image.tensors[int(op["out"])], op_macs(image, kind, op)
        rows.append({
            "place": place, "kind": kind, "out": [int(out["h"]), int(out["w"]), int(out["c"])], "macs": macs,
            "instructions": round(float(mean)), "share": float(mean / means.sum()),
            "per_mac": float(mean) / macs if macs else None,
        })  # fmt: skip
    return rows


def _stack(costs: tuple[Costs, ...]) -> dict[str, int]:
    """Most bytes used by the runtime's own functions."""
    first, last = costs[0], costs[-1]
    return {"open": first.open.stack_len, "run": first.run.stack_len, "learn": last.learn.stack_len}


def _ram(info: Info, costs: tuple[Costs, ...]) -> dict[str, int]:
    stack = max(each.stack_len for each in costs)
    parts = {"arena": info.arena_len, "tail": info.tail_len, "state": info.state_len, "stack": stack}
    return parts | {"total": sum(parts.values())}


def _flash(target: Qemu, image: Image, data: bytes) -> dict[str, int]:
    """code: what is linked for this model; the rest are parts of the image, of `image` bytes in all."""
    packed = repack(data[: int(image.header["image_len"])], target.machine.packing)
    name = c_name(str(image.meta.get("name") or "model"))
    loss = None if image.learning is None else loss_of(image)
    parts = {"weights": _weights(image), "feedback_tables": _tables(image)}
    learned = sum(len(payload) for tag, payload in sections_of(packed) if tag == b"LRND")
    parts |= {"learned": learned, "other": len(packed) - sum(parts.values()) - learned}
    code = code_len(target.machine, name, write_csource(name, read_image(packed), packed), loss)
    return {"code": code, **parts, "image": len(packed), "total": code + len(packed)}


def _weights(image: Image) -> int:
    """Bytes of the weights of all layers; weights that two layers share count once."""
    places: dict[tuple[bool, int], int] = {}
    learns = {int(layer["op"]) for layer in image.layers}
    for off, (kind, op) in zip(image.op_off, image.ops, strict=True):
        if kind in ("dense", "conv"):
            rows, products = layer_rows(image, kind, op)
            places[off in learns, int(op["weights"])] = rows * products
        elif kind == "depthwise":
            places[False, int(op["weights"])] = int(op["kh"]) * int(op["kw"]) * int(image.tensors[int(op["out"])]["c"])
    return sum(places.values())


def _tables(image: Image) -> int:
    """Bytes of indices and coefficients of the feedback."""
    if image.learning is None:
        return 0
    index = 2 if class_count(image) > 256 else 1
    layers = image.layers[: table_count(FEEDBACKS[int(image.learning["feedback"])], len(image.layers))]
    outputs = (int(image.ops[image.op_off.index(int(layer["op"]))][1]["out_n"]) for layer in layers)
    return sum(n * int(layer["k"]) * (index + 1) for n, layer in zip(outputs, layers, strict=True))
