"""`pytools experiment fetch`: a public data set from its origin to NAME.npz, checked by address and digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
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
from sdfa.experiment.convert import LARGEST, Arrays, from_cifar, from_sisfall, from_wisdm
from sdfa.files import read_bytes, write_whole

_TIMEOUT_S = 60
_DAMAGED = (
    ValueError, LookupError, EOFError, OSError, zlib.error, zipfile.BadZipFile, tarfile.TarError, wave.Error,
    struct.error,
)  # fmt: skip
"""What converters raise for files of another format."""


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
        if name in ELSEWHERE:
            place, keys = ELSEWHERE[name]
            raise SdfaError(f"{name} is not offered: get it from {place} and make {name}.npz with {keys}")
        raise SdfaError(f"{name} is not offered; fetch makes {', '.join(ORIGINS)}: get other sets from their owners")
    contents = []
    for address in origin.files:
        place = address if base is None else f"{base.rstrip('/')}/{address.rpartition('/')[2]}"
        tick(place)
        contents.append(_get(place))
    try:
        arrays = origin.convert(contents)
    except _DAMAGED as error:
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
            data = bytes(answer.read(LARGEST + 1))
    except (urllib.error.URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise SdfaError(f"{place}: {why}: give another place of the same files with --from") from None
    if len(data) > LARGEST:
        raise SdfaError(f"{place}: larger than {LARGEST >> 20} MB: not the file of this data set")
    return data


def idx(packed: bytes) -> npt.NDArray[np.uint8]:
    """An array in LeCun's idx form, gzipped or not. ValueError for another form or type."""
    data = packed
    if packed[:2] == b"\x1f\x8b":
        data = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(LARGEST)
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
    if len(found) != 1 or found[0].file_size > LARGEST:
        raise ValueError(f"{len(found)} files {name}")
    return archive.read(found[0])


_RATE, _FRAME, _STEP, _BANDS = 8000, 256, 160, 32
_LOGMEL = (11.0, 26)  # units per neper, zero point


def _from_fsdd(contents: Sequence[bytes]) -> Arrays:
    """recordings/DIGIT_SPEAKER_NUMBER.wav, in the order of their names by speaker and digit."""
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:
        names = [info.filename for info in archive.infolist() if info.filename.endswith(".wav")]
        if sum(info.file_size for info in archive.infolist()) > LARGEST:
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


_GESTURES = (
    "neutral", "radial_dev", "wrist_flexion", "ulnar_dev", "wrist_extension", "hand_close", "hand_open",
)  # fmt: skip
_MYO_NEW = ("Female0", *(f"Male{n}" for n in (0, 1, 10, 12, 13, 15, 3, 4, 6, 7, 9)))
_MYO_BASE = (*(f"Female{n}" for n in range(10)), *(f"Male{n}" for n in (0, 1, 10, 11, *range(2, 10))))
_MYO_FILES = sorted(map(str, range(4 * len(_GESTURES))))
_ELECTRODES = 8


def _from_myo(contents: Sequence[bytes]) -> Arrays:
    """FOLDER/PERSON/SESSION/classe_N.dat, int16[time, 8], as the owners' load_evaluation_dataset.py reads them: gesture
    N % 7, repetition N // 7. People of EvaluationDataset are new, those of PreTrainingDataset base."""
    takes = [("E", person, session) for person in _MYO_NEW for session in ("Test0", "Test1", "training0")]
    takes += [("P", person, "training0") for person in _MYO_BASE]
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:
        found = {"/".join(info.filename.split("/")[-4:]): info for info in archive.infolist()}
        waves = [
            _electrodes(archive, found[f"{_MYO_FOLDERS[part]}/{person}/{session}/classe_{n}.dat"])
            for part, person, session in takes
            for n in _MYO_FILES
        ]
    each = len(_MYO_FILES)
    number = np.tile(np.array(_MYO_FILES, np.uint8), len(takes))
    return {
        "emg": np.concatenate(waves), "length": np.array([len(w) for w in waves], np.int32),
        "subject": np.repeat(np.array([f"{part}_{person}" for part, person, _ in takes], "<U10"), each),
        "session": np.repeat(np.array([session for _, _, session in takes], "<U9"), each),
        "rep": number // np.uint8(len(_GESTURES)), "y": number % np.uint8(len(_GESTURES)),
        "role": np.repeat(np.array([_MYO_ROLES[part] for part, _, _ in takes], "<U4"), each),
        "classes": np.array(_GESTURES), "rate_hz": np.array(200),
    }  # fmt: skip


_MYO_FOLDERS, _MYO_ROLES = {"E": "EvaluationDataset", "P": "PreTrainingDataset"}, {"E": "new", "P": "base"}


def _electrodes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[np.int8]:
    """int8[time, 8]; a last moment that is cut off is left away."""
    if info.file_size > 1 << 20:
        raise ValueError(f"{info.filename} is larger than a recording")
    values = np.frombuffer(archive.read(info)[: info.file_size // 2 * 2], "<i2")
    whole = values[: len(values) // _ELECTRODES * _ELECTRODES].reshape(-1, _ELECTRODES)
    if whole.size and not -128 <= int(whole.min()) <= int(whole.max()) <= 127:
        raise ValueError(f"{info.filename} has values beyond 8 bits")
    return whole.astype(np.int8)


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_GAS = "https://archive.ics.uci.edu/static/public/270/gas+sensor+array+drift+dataset+at+different+concentrations.zip"
_MYO = "https://codeload.github.com/UlysseCoteAllard/MyoArmbandDataset/zip/refs/heads/master"
_SISFALL = "https://codeload.github.com/Brisabrin/FallDetectionAlgorithm/zip/e73923b0bb8152815db2bb72ff83bd55ee00baa9"
_WISDM = (
    "https://raw.githubusercontent.com/bhumeshchopda/WISDM_Challenge/f8a548f9ba6685c50545066521ee68be1723692d/"
    "WISDM_ar_v1.1_transformed.arff"
)
_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
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
    "myo_emg": Origin(
        (_MYO,),
        _from_myo,
        ("emg", "length", "subject", "session", "rep", "y", "role"),
        "2a0f7e6bc363ccd5ef3a784c44a9ff4702565a13a169e230f5ef6e6180c1f508",
        "GPL-3.0 file in the owners' repository; cite Cote-Allard et al., TNSRE 2019",
    ),
    "fsdd": Origin(
        (_FSDD,),
        _from_fsdd,
        ("wav", "wav_len", "y", "speaker", "idx"),
        "e456d06b38f646111cb6e8552f3b2af7bf0733072ad154fd2c0ba37f595b7fd2",
        "CC BY-SA 4.0",
    ),
    "sisfall_har": Origin(
        (_SISFALL,),
        from_sisfall,
        ("X", "y", "subject", "code", "trial", "win", "phase", "role"),
        "ce1d282f68fc6ff78b778a984731f295c24be0d14d3c467fae7df3439d591727",
        "none in its readme, published as free data; cite Sucerquia et al., Sensors 2017",
    ),
    "wisdm_v11_features": Origin(
        (_WISDM,),
        from_wisdm,
        ("X", "y", "user", "uid"),
        "d3ae407b0a7d6412ab912d38dcfbf6b0d8856d3fdfec519e64dbf987def1940b",
        "free with its readme, see https://www.cis.fordham.edu/wisdm/dataset.php; cite Kwapisz et al. 2010",
    ),
    "cifar10_small": Origin(
        (_CIFAR,),
        from_cifar,
        ("X_train", "y_train", "X_ic01", "y_ic01"),
        "3f53cbe2bd805a3ca2e1c8f63356eb3a05e96422899a92e4686d764fbd8c2c50",
        "none stated; cite Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    ),
}

ELSEWHERE: dict[str, tuple[str, str]] = {
    "arabic_commands": (
        "https://github.com/abdulkaderghandoura/arabic-speech-commands-dataset",
        "logmel int8 (n, 49, 40), y, speaker, role (base, new), phase (0 learn, 1 score), words",
    ),
}
"""Sets whose files have no converter here: where their owners publish them, and the arrays that experiments read.

Arabic commands: only spectra of the recordings are at hand, so nothing that a converter would make of the recordings
could be compared with what the experiments learned from.
"""
