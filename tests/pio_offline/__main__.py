"""`python -m tests.pio_offline ARGUMENTS`: the `pio` command on stand-ins; what they lack fails at once and by name.

The packages are made in $PLATFORMIO_CORE_DIR (default: build/pio in the checkout) when it is absent.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
SETTINGS = {"PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no", "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true"}
LICENCES = {"licenses": [{"licenseId": "MIT"}]}


def _offline() -> None:
    """Before anything can ask: the registry by package, everything else by address."""
    import requests
    from platformio.exception import UserSideException
    from platformio.package.manager._registry import PackageManagerRegistryMixin
    from platformio.package.manifest.schema import ManifestSchema

    def no_package(self: Any, spec: Any, *args: Any, **more: Any) -> NoReturn:
        raise UserSideException(f"no stand-in for {spec.humanize()}: tests/pio_offline/core.py lists those there are")

    def no_network(self: Any, request: Any, **more: Any) -> NoReturn:
        raise UserSideException(f"tests do without a network: {request.url}")

    session: Any = requests.Session
    session.send = no_network
    PackageManagerRegistryMixin.install_from_registry = no_package
    ManifestSchema.load_spdx_licenses = staticmethod(lambda: LICENCES)


def main() -> int:
    """The exit code of pio."""
    from tests.pio_offline.core import make_core

    core = Path(os.environ.setdefault("PLATFORMIO_CORE_DIR", str(HERE.parents[1] / "build" / "pio")))
    os.environ.update(SETTINGS)
    if not (core / "platforms").is_dir():
        try:
            make_core(core)
        except RuntimeError as error:
            sys.exit(f"pio_offline: {error}")
    _offline()
    from platformio.__main__ import main as pio

    return int(pio(["pio", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
