"""What a device computes from its raw signal before the network sees it: named functions, part of an experiment."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_BANDS = ((1, 3), (3, 5), (5, 8), (8, 12), (12, 18), (18, 30))


def raw(windows: npt.NDArray[Any]) -> FloatArray:
    """[n, time, channels] -> [n, time * channels]: nothing at all."""
    return windows.reshape(len(windows), -1).astype(np.float32)


def emg(windows: npt.NDArray[Any]) -> FloatArray:
    """[n, time, electrodes] -> [n, 5 * electrodes]: log of mean absolute value, of the root mean square and of the
    waveform length, rates of zero crossings and of slope sign changes (Hudgins 1993)."""
    w = windows.astype(np.float32)
    slope = np.diff(w, axis=1)
    parts = [
        np.log1p(np.abs(w).mean(axis=1)), np.log1p(np.sqrt((w**2).mean(axis=1))), np.log1p(np.abs(slope).mean(axis=1)),
        np.diff(np.signbit(w), axis=1).mean(axis=1), np.diff(np.signbit(slope), axis=1).mean(axis=1),
    ]  # fmt: skip
    return np.asarray(np.concatenate(parts, axis=1), np.float32)


def motion(windows: npt.NDArray[Any]) -> FloatArray:
    """[n, time, 6] (acceleration, rotation) -> [n, 77]: of each axis and of the acceleration's length the mean,
    standard deviation, least, largest, mean absolute difference, and the log power in six bands."""
    w = windows.astype(np.float32)
    a = np.concatenate([w, np.sqrt((w[..., :3] ** 2).sum(axis=-1, keepdims=True))], axis=-1)
    mean = a.mean(axis=1)
    power = np.abs(np.fft.rfft(a - mean[:, None], axis=1)) ** 2
    parts = [mean, a.std(axis=1), a.min(axis=1), a.max(axis=1), np.abs(np.diff(a, axis=1)).mean(axis=1)]
    parts += [np.log1p(power[:, low:high].mean(axis=1)) for low, high in _BANDS]
    return np.asarray(np.concatenate(parts, axis=1), np.float32)


def cepstra(logmel: npt.NDArray[Any], coefficients: int = 10, frames: int = 2) -> FloatArray:
    """[n, time, bands] log-mel -> [n, time // frames * coefficients]: cosine transform of the bands, then means over
    `frames` frames each."""
    bands = logmel.shape[2]
    order = np.arange(coefficients)[:, None]
    basis = np.sqrt(2 / bands) * np.cos(np.pi * order * (np.arange(bands) + 0.5) / bands)
    found = logmel.astype(np.float32) @ basis.T.astype(np.float32)
    n = found.shape[1] // frames
    pooled = found[:, : n * frames].reshape(len(found), n, frames, -1).mean(axis=2)
    return np.asarray(pooled.reshape(len(found), -1), np.float32)


def signed_log(x: npt.NDArray[Any]) -> FloatArray:
    """sign(x) * log(1 + |x|), element by element."""
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)), np.float32)


def filled(x: npt.NDArray[Any]) -> FloatArray:
    """Missing values (NaN) become the median of their column."""
    return np.where(np.isnan(x), np.nanmedian(x, axis=0), x).astype(np.float32)


def windows_of(signal: npt.NDArray[Any], length: int, step: int) -> npt.NDArray[Any]:
    """[time, channels] -> [n, length, channels], a window every `step` samples."""
    view = np.lib.stride_tricks.sliding_window_view(signal, length, axis=0)[::step]
    return np.swapaxes(view, 1, 2)


def mel_energies(
    sound: FloatArray, rate: int, frame: int, step: int, bands: int, limits: tuple[float, float]
) -> FloatArray:
    """[frames, bands]: power spectra of Hann-weighted frames under triangles spread evenly over the mel scale
    (O'Shaughnessy 1987) between two frequencies in Hz."""
    low, high = (2595 * float(np.log10(1 + f / 700)) for f in limits)
    mel = np.linspace(low, high, bands + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    f = np.fft.rfftfreq(frame, 1 / rate)
    rise = (f - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - f) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rise, fall))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    power = np.abs(np.fft.rfft(np.lib.stride_tricks.sliding_window_view(sound, frame)[::step] * window, axis=1)) ** 2
    return np.asarray(power @ triangles.T, np.float32)
