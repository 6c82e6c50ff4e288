"""Makes flatten_open_batch.tflite: python tests/data/make_flatten.py. Needs pip install 'sdfa[train]'.

An untrained int8 model with an open batch size, whose Flatten is SHAPE, STRIDED_SLICE, PACK, RESHAPE in the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.digits import train


def main() -> None:
    """Build, convert, write beside this script."""
    train.setup(seed=0)
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(6, activation="relu"),
            layers.Dense(3),
        ]
    )
    samples = np.random.default_rng(0).random((50, 4, 4, 1), dtype=np.float32)
    converted = train.convert(model, samples, batch=None)
    Path(__file__).with_name("flatten_open_batch.tflite").write_bytes(converted)


if __name__ == "__main__":
    main()
