"""`pytools experiment fetch`: a public data set from its origin to NAME.npz, checked by address and digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import urllib.error
import urllib.request
import wave
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.experiment import features
from sdfa.files import read_bytes, write_whole

Arrays = dict[str, npt.NDArray[Any]]

_TIMEOUT_S = 60
_LARGEST = 1 << 28  # bytes of one file, packed or not


@dataclass(frozen=True)
class Origin:
    """files: their addresses. convert: contents in that order -> arrays of NAME.npz; ValueError for another format.

    digest: digest_of the arrays named in `checked`, which no packing of the files changes. licence: of its owners.
    """

    files: tuple[str, ...]
    convert: Callable[[Sequence[bytes]], Arrays]
    checked: tuple[str, ...]
    digest: str
    licence: str


def digest_of(arrays: Mapping[str, npt.NDArray[Any]], names: Sequence[str]) -> str:
    """SHA-256 over name, type, shape and little-endian values of each array."""
    found = hashlib.sha256()
    for name in names:
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"))
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return found.hexdigest()


def fetch(name: str, folder: Path, base: str | None, tick: Callable[[str], None]) -> Path:
    """Makes folder/NAME.npz. base: another place (URL or folder) that holds files of the same names.

    SdfaError when it is not offered, cannot be had, or is not what it was.
    """
    origin = ORIGINS.get(name)
    if origin is None:
        raise SdfaError(f"{name} is not offered; fetch makes {', '.join(ORIGINS)}: get other sets from their owners")
    contents = []
    for address in origin.files:
        place = address if base is None else f"{base.rstrip('/')}/{address.rpartition('/')[2]}"
        tick(place)
        contents.append(_get(place))
    try:
        arrays = origin.convert(contents)
    except (ValueError, KeyError, EOFError, OSError, zlib.error, zipfile.BadZipFile, wave.Error, struct.error) as error:
        raise SdfaError(f"{name}: the files have another format ({error}): is the address right?") from None
    if digest_of(arrays, origin.checked) != origin.digest:
        raise SdfaError(f"{name}: the samples are not those that this tool knows (SHA-256 differs): nothing written")
    path = folder / f"{name}.npz"
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_whole(path, file.getvalue())
    return path


def _get(place: str) -> bytes:
    """The bytes at an address, or of a local file."""
    if "://" not in place:
        return read_bytes(Path(place), "the file of the data set")
    if not place.startswith(("http://", "https://")):
        raise SdfaError(f"{place}: only http and https addresses, or a folder")
    try:
        with urllib.request.urlopen(place, timeout=_TIMEOUT_S) as answer:
            data = bytes(answer.read(_LARGEST + 1))
    except (urllib.error.URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise SdfaError(f"{place}: {why}: give another place of the same files with --from") from None
    if len(data) > _LARGEST:
        raise SdfaError(f"{place}: larger than {_LARGEST >> 20} MB: not the file of this data set")
    return data


def idx(packed: bytes) -> npt.NDArray[np.uint8]:
    """An array in LeCun's idx form, gzipped or not. ValueError for another form or type."""
    data = packed
    if packed[:2] == b"\x1f\x8b":
        data = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(_LARGEST)
    if data[:3] != b"\0\0\x08" or len(data) < 4:
        raise ValueError("no idx file of bytes")
    rank = data[3]
    shape = struct.unpack_from(f">{rank}I", data, 4)
    count, start = int(np.prod(shape, dtype=np.int64)), 4 + 4 * rank
    if len(data) - start != count:
        raise ValueError(f"an idx file of shape {shape} with {len(data) - start} values")
    return np.frombuffer(data, np.uint8, count, start).reshape(shape)


_IDX_NAMES = ("X_train", "y_train", "X_test", "y_test")
_IDX_FILES = tuple(f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))


def _from_idx(contents: Sequence[bytes]) -> Arrays:
    return {name: idx(data) for name, data in zip(_IDX_NAMES, contents, strict=True)}


_GASES = ("Ethanol", "Ethylene", "Ammonia", "Acetaldehyde", "Acetone", "Toluene")
_BATCHES = range(1, 7)


def _from_gas(contents: Sequence[bytes]) -> Arrays:
    """Lines "gas;concentration 1:value ... 128:value" of batch1.dat to batch6.dat."""
    x: list[list[float]] = []
    heads: list[tuple[int, float, int]] = []
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:
        for batch in _BATCHES:
            for line in _member(archive, f"batch{batch}.dat").decode().splitlines():
                head, *cells = line.split()
                gas, concentration = head.split(";")
                heads.append((int(gas) - 1, float(concentration), batch))
                x.append([float(cell.partition(":")[2]) for cell in cells])
    y, concentrations, batches = zip(*heads, strict=True)
    return {
        "X": np.array(x, np.float32), "y": np.array(y, np.uint8), "batch": np.array(batches, np.uint8),
        "conc_ppmv": np.array(concentrations, np.float32), "classes": np.array(_GASES),
    }  # fmt: skip


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of an archive, in whatever folder."""
    found = [info for info in archive.infolist() if info.filename.rpartition("/")[2] == name]
    if len(found) != 1 or found[0].file_size > _LARGEST:
        raise ValueError(f"{len(found)} files {name}")
    return archive.read(found[0])


_RATE, _FRAME, _STEP, _BANDS = 8000, 256, 160, 32
_LOGMEL = (11.0, 26)  # units per neper, zero point


def _from_fsdd(contents: Sequence[bytes]) -> Arrays:
    """recordings/DIGIT_SPEAKER_NUMBER.wav, in the order of their names by speaker and digit."""
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:
        names = [info.filename for info in archive.infolist() if info.filename.endswith(".wav")]
        if sum(info.file_size for info in archive.infolist()) > _LARGEST:
            raise ValueError("larger than the data set")
        parts = [(*name.rpartition("/")[2].removesuffix(".wav").split("_"), name) for name in names]
        parts.sort(key=lambda part: (part[1], int(part[0]), int(part[2])))
        waves = [_samples(archive.read(part[3])) for part in parts]
    return {
        "wav": np.concatenate(waves), "wav_len": np.array([len(w) for w in waves], np.int32),
        "logmel": np.stack([_logmel(w) for w in waves]), "y": np.array([int(p[0]) for p in parts], np.uint8),
        "speaker": np.array([p[1] for p in parts]), "idx": np.array([int(p[2]) for p in parts], np.uint8),
        "sample_rate": np.array(_RATE), "logmel_scale": np.array(1 / _LOGMEL[0]),
        "logmel_zero_point": np.array(_LOGMEL[1]),
    }  # fmt: skip


def _samples(data: bytes) -> npt.NDArray[np.int16]:
    with wave.open(io.BytesIO(data)) as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, _RATE):
            raise ValueError("a recording is not mono, 16 bits, 8 kHz")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def _logmel(sound: npt.NDArray[np.int16]) -> npt.NDArray[np.int8]:
    """int8[49, 32]: the middle second, log mel energies of 32 ms every 20 ms."""
    second = np.zeros(_RATE, np.float32)
    at, start = max(0, (_RATE - len(sound)) // 2), max(0, (len(sound) - _RATE) // 2)
    middle = sound[start : start + _RATE]
    second[at : at + len(middle)] = middle / np.float32(32768)
    energies = features.mel_energies(second, _RATE, _FRAME, _STEP, _BANDS, (60.0, 3800.0))
    scale, zero = _LOGMEL
    return np.asarray(np.clip(np.rint(np.log(energies + 1e-6) * scale) + zero, -128, 127), np.int8)


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_GAS = "https://archive.ics.uci.edu/static/public/270/gas+sensor+array+drift+dataset+at+different+concentrations.zip"
_FSDD = "https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/zip/refs/heads/master"

ORIGINS: dict[str, Origin] = {
    "mnist": Origin(
        tuple(_MNIST + name for name in _IDX_FILES),
        _from_idx,
        _IDX_NAMES,
        "a9dd7b11abd6b5795be93dd3bdb31d6e0bd991830fa27c203bdf7f2c340b2798",
        "LeCun and Cortes; commonly given as CC BY-SA 3.0",
    ),
    "fashion_mnist": Origin(
        tuple(_FASHION + name for name in _IDX_FILES),
        _from_idx,
        _IDX_NAMES,
        "c0cedbf7fe44b55c67be512a0551cab0ecbc01237da40e1485cae2cedaad88ac",
        "MIT (Zalando)",
    ),
    "gas_drift": Origin(
        (_GAS,),
        _from_gas,
        ("X", "y", "batch", "conc_ppmv", "classes"),
        "b4ae76f95e1888ded20805c5488706dbbd5fc61a88d67ca12043427b2fb30b62",
        "UCI Machine Learning Repository: research only, no commercial use",
    ),
    "fsdd": Origin(
        (_FSDD,),
        _from_fsdd,
        ("wav", "wav_len", "y", "speaker", "idx"),
        "e456d06b38f646111cb6e8552f3b2af7bf0733072ad154fd2c0ba37f595b7fd2",
        "CC BY-SA 4.0",
    ),
}
