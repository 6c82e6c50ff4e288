"""What to be ahead of: recorded baselines of CMSIS-NN 7 (-Ofast), and our targets.

Executed instructions, measured under the same emulator (QEMU 7.2) with the same compiler (GCC 12.2) as ours. They are
figures to compare with, written down once; nothing here is measured again.
"""

from __future__ import annotations

CORES = ("M0", "M3", "M4", "M33", "M55")

# Instructions per MAC; per element of a window for pools, per element for softmax and add. On CORES, in this order.
CMSIS_KERNELS = {
    "dense 64->32": (7.78, 4.16, 2.71, 2.71, 0.74),
    "dense 256->64": (6.43, 3.53, 2.08, 2.08, 0.53),
    "dense 784->128": (6.16, 3.42, 1.94, 1.94, 0.49),
    "conv 3x3 16x16x8->16": (8.69, 3.83, 2.87, 2.86, 0.62),
    "conv 3x3 16x16x32->32": (6.71, 2.87, 1.93, 1.93, 0.25),
    "conv 3x3 8x8x64->64": (6.33, 2.67, 1.76, 1.76, 0.21),
    "conv 3x3 28x28x1->8": (25.6, 14.1, 14.1, 13.9, 5.7),
    "conv 1x1 25x5x64->64": (7.57, 3.11, 2.09, 2.08, 0.40),
    "depthwise 3x3 25x5x64": (35.7, 9.37, 8.33, 8.25, 2.32),
    "max pool 2x2": (41.9, 10.8, 10.9, 10.9, 2.8),
    "softmax": (1982, 531, 535, 535, 574),
    "add": (237, 84, 81, 83, 13.8),
}

# Where we aim lower than just below CMSIS-NN.
KERNEL_TARGETS = {
    "dense 64->32": {"M0": 6.4, "M3": 3.3, "M4": 1.45, "M55": 0.35},
    "dense 256->64": {"M0": 5.4, "M3": 2.9, "M4": 1.15, "M55": 0.21},
    "dense 784->128": {"M0": 5.2, "M3": 2.8, "M4": 1.05, "M55": 0.18},
    "conv 3x3 16x16x8->16": {"M4": 1.5},
    "conv 3x3 16x16x32->32": {"M4": 1.1},
    "conv 3x3 8x8x64->64": {"M4": 1.0},
    "conv 3x3 28x28x1->8": {"M4": 5.0},
    "conv 1x1 25x5x64->64": {"M4": 1.2},
    "depthwise 3x3 25x5x64": {"M4": 4.7},
    "add": {"M4": 24.0},
}

# Instructions of one inference.
CMSIS_MODELS = {
    "ad01_int8": {"M3": 953_000, "M4": 579_000, "M55": 147_000},
    "kws_ref_model": {"M3": 10_500_000, "M4": 7_840_000, "M55": 1_780_000},
    "pretrainedResnet_quant": {"M3": 41_800_000, "M4": 29_900_000, "M55": 4_810_000},
    "vww_96_int8": {"M3": 32_100_000, "M4": 24_700_000, "M55": 6_420_000},
}
MODEL_TARGETS = {
    "ad01_int8": {"M3": 850_000, "M4": 300_000},
    "kws_ref_model": {"M3": 9_000_000, "M4": 4_500_000},
    "pretrainedResnet_quant": {"M3": 36_000_000, "M4": 16_000_000},
    "vww_96_int8": {"M3": 28_000_000, "M4": 14_000_000},
}


def cmsis(row: str, core: str) -> float | None:
    """CMSIS-NN's figure of a kernel or a model; None where there is none."""
    if row in CMSIS_KERNELS:
        return dict(zip(CORES, CMSIS_KERNELS[row], strict=True)).get(core)
    return CMSIS_MODELS[row].get(core)


def target(row: str, core: str) -> float | None:
    """What a figure must not exceed; None where it has only to be below CMSIS-NN's."""
    return (KERNEL_TARGETS.get(row) or MODEL_TARGETS.get(row) or {}).get(core)


def met(row: str, core: str, figure: float) -> bool:
    """Below CMSIS-NN, and not above the target; true where there is neither."""
    baseline, aim = cmsis(row, core), target(row, core)
    return (baseline is None or figure < baseline) and (aim is None or figure <= aim)
