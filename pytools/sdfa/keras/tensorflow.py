"""TensorFlow and Keras: imported when they are needed, and kept quiet."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdfa.errors import SdfaError

INSTALL = "pip install sdfa[train]"


def tensorflow() -> Any:
    """The module `tensorflow`. Raises SdfaError where it is missing or does not work."""
    if importlib.util.find_spec("tensorflow") is None:
        raise SdfaError(f"TensorFlow is needed to read Keras models: {INSTALL}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        try:
            import keras
            import tensorflow
        except Exception as error:  # whatever a broken installation raises
            raise SdfaError(f"TensorFlow cannot be imported ({error}): {INSTALL} in a new environment") from None
    if keras.config.backend() != "tensorflow":
        raise SdfaError(f"Keras uses {keras.config.backend()} here: set KERAS_BACKEND=tensorflow")
    return tensorflow


def keras() -> Any:
    """The module `keras`, on TensorFlow. Raises SdfaError as tensorflow does."""
    tensorflow()
    import keras as module

    return module


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that runs inside reaches stdout, stderr or a log, C++ included."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.flush()
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        nothing = stack.enter_context(Path(os.devnull).open("wb"))
        for fd in (1, 2):
            _redirect(fd, nothing.fileno(), stack)
        yield


def _redirect(fd: int, to: int, stack: contextlib.ExitStack) -> None:
    """Let `fd` lead to `to` until the stack ends; a closed one stays closed."""
    try:
        kept = os.dup(fd)
    except OSError:
        return
    stack.callback(os.close, kept)
    stack.callback(os.dup2, kept, fd)
    os.dup2(to, fd)
