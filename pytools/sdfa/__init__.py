"""sdfa: neural networks that go on learning on a microcontroller.

    import sdfa
    export = sdfa.export("model.keras", sdfa.Options(train_last=2), calib=x)
    device = sdfa.Device("host", export)
    device.learn(x_new, y_new, epochs=5)
    device.save("learned.sdfa")

Everything here stands in sdfa.api, and is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sdfa.api import Care as Care
    from sdfa.api import Device as Device
    from sdfa.api import Export as Export
    from sdfa.api import Options as Options
    from sdfa.api import Outcome as Outcome
    from sdfa.api import SdfaError as SdfaError
    from sdfa.api import export as export
    from sdfa.api import load as load
    from sdfa.api import quantize as quantize

__all__ = ["Care", "Device", "Export", "Options", "Outcome", "SdfaError", "__version__", "export", "load", "quantize"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sdfa' has no attribute {name!r}")
    return getattr(importlib.import_module("sdfa.api"), name)


def __dir__() -> list[str]:
    return __all__
