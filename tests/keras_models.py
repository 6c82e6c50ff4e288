"""Everything in the tests that needs TensorFlow, in one process: python -m tests.keras_models FOLDER.

Writes NAME.tflite and NAME.json (the report) of each architecture, what was refused with which words (refused.json),
what the commands said (said.json) and wrote, and a trained digits network (model.keras and samples.npz).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

import sdfa
from sdfa import cli
from sdfa.data import load_digits
from sdfa.keras.tensorflow import keras, quiet, tensorflow

Rng = np.random.Generator
Build = Callable[[Any, Any], Any]


def _cnn(k: Any, L: Any) -> Any:
    """Sequential: convolution and batch normalization, which folds, pooling, dropout, softmax."""
    layers = [L.Conv2D(6, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D()]
    end = [L.Flatten(), L.Dense(12, activation="relu"), L.Dropout(0.3), L.Dense(4, activation="softmax")]
    return k.Sequential([k.Input((8, 8, 2)), *layers, *end])


def _residual(k: Any, L: Any) -> Any:
    """Functional, with an ADD, and normalization behind it, which nothing takes in."""
    x = first = L.Conv2D(4, 3, padding="same", activation="relu")(end := k.Input((8, 8, 3)))
    x = L.Conv2D(4, 3, padding="same")(x)
    x = L.BatchNormalization()(L.Activation("relu")(L.Add()([x, first])))
    return k.Model(end, L.Dense(5, activation="softmax")(L.GlobalAveragePooling2D()(x)))


def _depthwise(k: Any, L: Any) -> Any:
    """MobileNet's blocks, RELU6, padding of its own."""
    layers = [L.Conv2D(4, 3, strides=2, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(6.0)]
    layers += [L.ZeroPadding2D(1), L.DepthwiseConv2D(3, use_bias=False), L.BatchNormalization(), L.ReLU(6.0)]
    layers += [L.SeparableConv2D(6, 3, activation="relu"), L.GlobalMaxPooling2D(), L.Dense(3, activation="softmax")]
    return k.Sequential([k.Input((12, 12, 1)), *layers])


def _signal(k: Any, L: Any) -> Any:
    """Conv1D, which converters write as a picture of one row."""
    layers = [L.Conv1D(5, 5, activation="relu"), L.MaxPooling1D(2), L.Conv1D(6, 3), L.BatchNormalization(), L.ReLU()]
    end = [L.GlobalAveragePooling1D(), L.Dense(8, activation="relu"), L.Dense(4, activation="softmax")]
    return k.Sequential([k.Input((24, 3)), *layers, *end])


def _sensors(k: Any, L: Any) -> Any:
    """A dense net on features that a Normalization layer scales; no bias in one layer."""
    scale = L.Normalization(mean=[0.5, 0.1, 0.9, 0.2, 0.5, 0.4], variance=[0.1, 2.0, 0.3, 0.5, 1.0, 0.2])
    layers = [scale, L.Dense(16, activation="relu", use_bias=False), L.Dense(8, activation="tanh")]
    return k.Sequential([k.Input((6,)), *layers, L.Dense(3, activation="softmax")])


def _sigmoid(k: Any, L: Any) -> Any:
    """Sigmoid at the end, swish within."""
    layers = [L.Rescaling(2.0, offset=-1), L.Conv2D(4, 3, activation="silu"), L.AveragePooling2D(2), L.Flatten()]
    return k.Sequential([k.Input((8, 8, 1)), *layers, L.Dense(2, activation="sigmoid")])


def _regression(k: Any, L: Any) -> Any:
    """Two real outputs."""
    layers = [L.Dense(12, activation="relu"), L.BatchNormalization(), L.Dense(6, activation="relu"), L.Dense(2)]
    return k.Sequential([k.Input((10,)), *layers])


def _branches(k: Any, L: Any) -> Any:
    """Functional, two kernels side by side, a model inside the model."""
    end = k.Input((8, 8, 2))
    inner = k.Sequential(
        [k.Input((8, 8, 2)), L.Conv2D(3, 5, padding="same", activation="relu"), L.BatchNormalization()]
    )
    x = L.Concatenate()([L.Conv2D(3, 1, activation="relu")(end), inner(end)])
    x = L.Reshape((16, 24))(L.LeakyReLU(0.2)(L.Conv2D(6, 1)(x)))
    return k.Model(end, L.Dense(4, activation="softmax")(L.Flatten()(x)))


def _gated(k: Any, L: Any) -> Any:
    """MobileNetV3's activations, and a product of two branches."""
    end = k.Input((6, 6, 3))
    x = L.Conv2D(4, 3, padding="same", activation="hard_swish")(end)
    gate = L.Conv2D(4, 1, activation="sigmoid")(x)
    x = L.Multiply()([x, gate])
    return k.Model(end, L.Dense(3, activation="softmax")(L.Flatten()(L.Conv2D(5, 3, strides=2)(x))))


def _strided(k: Any, L: Any) -> Any:
    """Dilation, odd strides, depth multiplier, no pooling; everything learns."""
    layers = [L.Conv2D(3, 3, dilation_rate=2, activation="relu"), L.DepthwiseConv2D(3, strides=2, depth_multiplier=2)]
    end = [L.ReLU(), L.Flatten(), L.Dense(9, activation="relu"), L.Dense(9, activation="relu"), L.Dense(4)]
    return k.Sequential([k.Input((11, 9, 2)), *layers, *end, L.Softmax()])


ARCHITECTURES: dict[str, tuple[Build, int | None]] = {
    "cnn": (_cnn, 2), "residual": (_residual, 1), "depthwise": (_depthwise, None), "signal": (_signal, 2),
    "sensors": (_sensors, 1), "sigmoid": (_sigmoid, None), "regression": (_regression, 2), "branches": (_branches, 0),
    "gated": (_gated, 1), "strided": (_strided, 3),
}  # fmt: skip
"""How each is built, and how many layers are to learn."""

SAMPLES = 120


def _with_statistics(model: Any, rng: Rng) -> Any:
    """Batch normalization as after training; an untrained one does nothing."""
    for layer in model.layers:
        if type(layer).__name__ == "Sequential":
            _with_statistics(layer, rng)
        if type(layer).__name__ == "BatchNormalization":
            n = layer.moving_mean.shape[0]
            ranges = ((0.5, 1.5), (-0.5, 0.5), (-0.3, 0.3), (0.3, 2.0))  # gamma, beta, mean, variance
            layer.set_weights([rng.uniform(*ends, n) for ends in ranges])
    return model


def _decided(model: Any) -> Any:
    """With four times the weights in the last layer: classes are apart, as after training."""
    last = next(layer for layer in reversed(model.layers) if layer.get_weights())
    last.set_weights([4 * w for w in last.get_weights()])
    return model


def _samples(model: Any, rng: Rng) -> npt.NDArray[np.float32]:
    return rng.random((SAMPLES, *model.input_shape[1:]), np.float32)


def write_architectures(folder: Path, k: Any) -> None:
    for seed, (name, (build, train_last)) in enumerate(ARCHITECTURES.items()):
        k.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        with quiet():
            model = _decided(_with_statistics(build(k, k.layers), rng))
        x = _samples(model, rng)
        made = sdfa.quantize(model, x, train_last=train_last)
        (folder / f"{name}.tflite").write_bytes(made.model)
        if name in ("signal", "sensors"):  # in which layers are replaced
            (folder / f"{name}.again").write_bytes(sdfa.quantize(model, x, train_last=train_last).model)
        (folder / f"{name}.json").write_text(json.dumps(made.report))


# --- what is refused ---


def _refusal(call: Callable[[], object]) -> str:
    try:
        call()
    except sdfa.SdfaError as error:
        return str(error)
    return ""


def refusals(folder: Path, k: Any) -> dict[str, str]:
    """What each wrong thing is answered with; "" where it was not refused."""
    L, tf = k.layers, tensorflow()

    class Own(k.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.end = L.Dense(2)

        def call(self, x: Any) -> Any:
            return self.end(x)

    Doubled = type("Doubled", (L.Layer,), {"call": lambda self, x: x + x})

    def net(*layers: Any, shape: tuple[int | None, ...] = (8, 8, 1)) -> Any:
        return k.Sequential([k.Input(shape), *layers, L.Flatten(), L.Dense(2)])

    def saved(name: str, model: Any) -> Path:
        with quiet():
            model.save(folder / name)
        return folder / name

    x = np.random.default_rng(0).random((20, 8, 8, 1), np.float32)
    with quiet():
        plain, own = net(), Own()
        own(x[:1, :, 0, 0])
        two = k.Model([a := k.Input((4,)), b := k.Input((4,))], L.Dense(2)(L.Add()([a, b])))
        words = k.Sequential([k.Input((1,), dtype="string"), L.StringLookup(vocabulary=["a"]), L.Dense(2)])
        tf.saved_model.save(tf.Module(), str(folder / "empty_saved"))
        det = tf.function(tf.linalg.det).get_concrete_function(tf.TensorSpec((1, 4, 4), tf.float32, name="x"))
        tf.saved_model.save(tf.Module(), str(folder / "det_saved"), signatures=det)
    (folder / "cut.keras").write_bytes(saved("plain.keras", plain).read_bytes()[:500])
    with zipfile.ZipFile(folder / "other.keras", "w") as archive:
        archive.writestr("readme", "nothing")
    (folder / "junk.h5").write_bytes(b"junk")
    np.savez(folder / "flat.npz", x=x.reshape(20, 64))
    np.savez(folder / "no_x.npz", y=x)
    nan = np.where(np.arange(20)[:, None, None, None] == 7, np.nan, x)
    asks: dict[str, tuple[Any, Any]] = {
        "subclassed": (own, x), "subclassed file": (saved("own.keras", own), x),
        "own layer": (saved("doubled.keras", net(Doubled())), x),
        "lambda": (saved("lambda.keras", net(L.Lambda(abs))), x),
        "two inputs": (two, x), "open size": (net(L.GlobalAveragePooling2D(), shape=(None, None, 1)), x),
        "unbuilt": (k.Sequential([L.Dense(2)]), x), "no model": (folder, x), "a number": (3, x),
        "elu": (net(L.Conv2D(2, 3), L.ELU()), x),
        "recurrent": (k.Sequential([k.Input((8, 8)), L.LSTM(4)]), x[..., 0]),
        "strings": (words, x), "determinant": (folder / "det_saved", x[:, :4, :4, 0]), "cut": (folder / "cut.keras", x),
        "other zip": (folder / "other.keras", x), "junk": (folder / "junk.h5", x), "absent": (folder / "none.keras", x),
        "no signature": (folder / "empty_saved", x), "flat": (plain, folder / "flat.npz"),
        "no x": (plain, folder / "no_x.npz"), "no npz": (plain, folder / "cut.keras"), "nan": (plain, nan),
        "few": (plain, x[:3]), "same": (plain, np.ones((20, 8, 8, 1), np.float32)),
        "bytes": (plain, (x * 255).astype("u1")), "int8": (plain, (x * 100).astype(np.int8)),
    }  # fmt: skip
    found = {name: _refusal(lambda ask=ask: sdfa.quantize(*ask)) for name, ask in asks.items()}  # type: ignore[misc]
    found["no dense end"] = _refusal(lambda: sdfa.quantize(net(L.ReLU()), x, train_last=2))
    found["headroom"] = _refusal(lambda: sdfa.quantize(plain, x, headroom=0.5))
    found["no calib"] = _refusal(lambda: sdfa.export(folder / "plain.keras"))
    return found


# --- commands, and a network that is trained ---


def _command(*args: object) -> dict[str, Any]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    argv = mock.patch.object(sys, "argv", ["pytools", *map(str, args)])
    code: Any = "none"
    with argv, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def trained_digits(folder: Path, k: Any) -> None:
    """model.keras, the same as a SavedModel and a .h5 file, and samples.npz."""
    L = k.layers
    k.utils.set_random_seed(1)
    train, test = load_digits()
    with quiet():
        model = k.Sequential([
            k.Input((8, 8, 1)), L.Conv2D(8, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(),
            L.MaxPooling2D(), L.Flatten(), L.Dropout(0.1), L.Dense(24, activation="relu"),
            L.Dense(10, activation="softmax"),
        ])  # fmt: skip
        model.compile(k.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(train.x, train.y, epochs=6, batch_size=64, verbose=0)
        accuracy = float(model.evaluate(test.x, test.y, verbose=0)[1])
        model.save(folder / "model.keras")
        model.save(folder / "model.h5")
        model.export(folder / "saved", verbose=False)
    (folder / "accuracy.json").write_text(json.dumps(accuracy))
    np.savez(folder / "samples.npz", x=train.x[:150])


def commands(folder: Path) -> dict[str, Any]:
    """What each says: the examples of the help that begin with a Keras model, and some more."""
    calib = "samples.npz"
    os.chdir(folder)
    docs = f"{cli.quantize.__doc__} {cli.export.__doc__}"
    lines = [line.split()[1:] for line in re.findall(r"\[cyan\](pytools .*?\.keras .*?)\[/cyan\]", docs)]
    lines += [
        ["quantize", "model.keras", "--calib", calib, "-o", "again.tflite", "--headroom", "2", "--train-last", "1",
         "--json", "-"],
        ["export", "model.tflite", "-o", "build/lite", "--calib", calib],
        ["quantize", "saved", "--calib", calib, "-o", "saved.tflite"],
        ["quantize", "model.h5", "--calib", calib, "-o", "h5.tflite"],
        ["quantize", "own.keras", "--calib", calib, "-o", "never.tflite"],
        ["export", "model.keras", "--calib", calib, "-o", "never", "--budget", "ram=1K"],
    ]  # fmt: skip
    return {" ".join(line): _command(*line) for line in lines}


def main(folder: Path) -> None:
    k = keras()
    write_architectures(folder, k)
    (folder / "refused.json").write_text(json.dumps(refusals(folder, k)))
    trained_digits(folder, k)
    (folder / "said.json").write_text(json.dumps(commands(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
