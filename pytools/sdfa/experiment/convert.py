"""From the public files of SisFall, WISDM and CIFAR-10 to the arrays of NAME.npz: what fetch.py calls."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

LARGEST = 1 << 28
"""Bytes of one file, packed or not."""

# --- SisFall ---

_MOTIONS = (
    "walk_slow", "walk_quick", "jog_slow", "jog_quick", "stairs_slow", "stairs_quick", "chair_sit_stand", "fall",
)  # fmt: skip
_CODES = {
    **{f"D{n:02}": min(n - 1, 6) for n in range(1, 11)},  # D07 to D10: four chairs
    **{f"F{n:02}": 7 for n in range(1, 16)},
}
_SISFALL_PEOPLE = (*(f"SA{n:02}" for n in range(1, 20)), *(f"SE{n:02}" for n in range(1, 10)))
_LAST_BASE = "SA15"  # four adults and all elderly are new
_TRIALS, _POOL_TRIALS = range(1, 6), 2
_LONG = ("D01", "D02", "D03", "D04")
_POOL_END, _TEST_START = 36, 39  # windows of long recordings that begin before 46 s are learned, from 49.9 s on scored
_AVERAGED, _WINDOW, _STEP = 4, 128, 64  # 200 Hz to 50 Hz
_RECORDING = 1 << 23  # bytes of text


def from_sisfall(contents: Sequence[bytes]) -> Arrays:
    """PERSON/CODE_PERSON_RTRIAL.txt: lines of nine numbers and a semicolon, 200 a second: ADXL345 x, y, z, ITG3200 x,
    y, z, and three of another sensor. Windows of 2.56 s every 1.28 s; of a fall the one around the largest
    acceleration."""
    x: list[npt.NDArray[np.int16]] = []
    heads: list[tuple[str, str, int, int]] = []
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:
        found = {"/".join(info.filename.split("/")[-2:]): info for info in archive.infolist()}
        for who in _SISFALL_PEOPLE:
            for code in _CODES:
                for trial in _TRIALS:
                    if (info := found.get(f"{who}/{code}_{who}_R{trial:02}.txt")) is not None:
                        windows = _motion_windows(_motion(archive, info), code)
                        x += windows
                        heads += [(who, code, trial, i) for i in range(len(windows))]
    if not x:
        raise ValueError("no recordings of the people that are known")
    subject, codes, trials, wins = (np.array(column) for column in zip(*heads, strict=True))
    long = np.isin(codes, _LONG)
    pool = np.where(long, wins < _POOL_END, trials <= _POOL_TRIALS)
    return {
        "X": np.stack(x), "y": np.array([_CODES[code] for _, code, _, _ in heads], np.uint8),
        "subject": subject, "code": codes, "trial": trials.astype(np.uint8), "win": wins.astype(np.uint16),
        "phase": np.where(pool, 0, np.where(~long | (wins >= _TEST_START), 1, 2)).astype(np.uint8),
        "role": np.where(subject > _LAST_BASE, "new", "base"), "classes": np.array(_MOTIONS),
        "acc_g_per_lsb": np.array(1 / 256), "gyro_dps_per_lsb": np.array(4000 / 65536), "rate_hz": np.array(50),
    }  # fmt: skip


def _motion(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[np.int16]:
    """int16[time, 6] at 50 Hz: means of four moments, a half to the even number."""
    if info.file_size > _RECORDING:
        raise ValueError(f"{info.filename} is larger than a recording")
    lines = archive.read(info).decode("ascii").split(";")
    rows = [[int(cell) for cell in line.split(",")[:6]] for line in lines if line.strip()]
    whole = np.array(rows[: len(rows) // _AVERAGED * _AVERAGED], np.float64)
    if whole.ndim != 2 or whole.shape[1] != 6 or np.abs(whole).max() > 32767:
        raise ValueError(f"{info.filename} is no recording of nine columns")
    return np.asarray(np.rint(whole.reshape(-1, _AVERAGED, 6).mean(axis=1)), np.int16)


def _motion_windows(signal: npt.NDArray[np.int16], code: str) -> list[npt.NDArray[np.int16]]:
    last = len(signal) - _WINDOW
    if last < 0:
        return []
    if code.startswith("F"):
        peak = int((signal[:, :3].astype(np.int64) ** 2).sum(axis=1).argmax())
        starts: Sequence[int] = (min(max(peak - _WINDOW // 2, 0), last),)
    else:
        starts = range(0, last + 1, _STEP)
    return [signal[at : at + _WINDOW] for at in starts]


# --- WISDM ---

_ACTIVITIES = ("Walking", "Jogging", "Upstairs", "Downstairs", "Sitting", "Standing")
_USERS = (
    1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 22, 23, 24, 25, 26, 27, 28, 29, 31, 32, 35,
)  # fmt: skip
_AXES = [f"{axis}{i}" for axis in "XYZ" for i in range(10)]
_MOMENTS = [f"{axis}{what}" for what in ("AVG", "PEAK", "ABSOLDEV", "STANDDEV") for axis in "XYZ"]
_FEATURES = (*_AXES, *_MOMENTS, "RESULTANT")


def from_wisdm(contents: Sequence[bytes]) -> Arrays:
    """WISDM_ar_v1.1_transformed.arff: number, user, 43 features ("?" where there is none), activity; of 28 users."""
    head, mark, body = contents[0].decode("utf-8").partition("@data")
    names = [line.split()[1].strip('"') for line in head.splitlines() if line.lower().startswith("@attribute")]
    if not mark or tuple(names) != ("UNIQUE_ID", "user", *_FEATURES, "class"):
        raise ValueError("no .arff of the 46 columns that are known")
    rows = [[cell.strip().strip("\"'") for cell in line.split(",")] for line in body.splitlines() if line.strip()]
    if {len(row) for row in rows} != {len(names)}:
        raise ValueError("lines of other than 46 columns")
    rows = [row for row in rows if int(row[1]) in _USERS]
    values = [[np.nan if cell == "?" else float(cell) for cell in row[2:-1]] for row in rows]
    return {
        "X": np.array(values, np.float32), "y": np.array([_ACTIVITIES.index(row[-1]) for row in rows], np.uint8),
        "user": np.array([int(row[1]) for row in rows], np.uint8),
        "uid": np.array([int(row[0]) for row in rows], np.int64),
        "feature_names": np.array(_FEATURES), "classes": np.array(_ACTIVITIES),
    }  # fmt: skip


# --- CIFAR-10 ---

_SIDE, _CIFAR_TRAIN, _CIFAR_BATCH = 32, 4000, 10_000


def from_cifar(contents: Sequence[bytes]) -> Arrays:
    """cifar-10-binary.tar.gz (bytes, no pickled objects): the first pictures of data_batch_1.bin to learn from, and of
    test_batch.bin the 200 that MLPerf Tiny scores on, which their checksums name."""
    parts, unpacked = {}, 0
    with tarfile.open(fileobj=io.BytesIO(contents[0]), mode="r:gz") as archive:
        for member in archive:
            unpacked += member.size
            if unpacked > LARGEST:
                raise ValueError("larger than the data set")
            name = member.name.rpartition("/")[2]
            if name in ("data_batch_1.bin", "test_batch.bin") and member.isfile():
                parts[name] = _pictures(archive, member)
    (x, y), (x_test, y_test) = parts["data_batch_1.bin"], parts["test_batch.bin"]
    where = {zlib.crc32(picture.tobytes()): i for i, picture in enumerate(x_test)}
    scored = np.array([where[int(_SCORED[at : at + 8], 16)] for at in range(0, len(_SCORED), 8)])
    return {
        "X_train": x[:_CIFAR_TRAIN], "y_train": y[:_CIFAR_TRAIN], "X_ic01": x_test[scored], "y_ic01": y_test[scored],
    }  # fmt: skip


def _pictures(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """(uint8[n, 32, 32, 3], labels): each picture is a label and three planes."""
    row = 1 + 3 * _SIDE * _SIDE
    file = archive.extractfile(member)
    if member.size % row or member.size > row * _CIFAR_BATCH or file is None:
        raise ValueError(f"{member.name} has another size")
    rows = np.frombuffer(file.read(), np.uint8).reshape(-1, row)
    planes = rows[:, 1:].reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), rows[:, 0].copy()


_SCORED = (
    "5d9e40bec61f189ddd95ed91b8f5d567a46a7a348711920b845ec6ed52fa8b51b95dad4758e0487c5e80bf517155b028e70c71e35c51d604"
    "72ad0561af408102d96bae5598268ed1f21afb9c6b54ccbf41fa78ca8a37d316086e528784e7b0411913029c32eadbd9569fe72ee9f97873"
    "617458881229cd50c49608121f044aa4216c5168b0bc7dc7a7722afa26dc5410ea8356329abe12d51259c5c0d5baeb4c4f65d732eefaf8ec"
    "fbddbb694aa17fc5571ed111cff6a7fb168eb78be83948c644aa073a05941bf6e2577b1d8ee991d450873a59780ecdfc1856124fb74416ae"
    "97522047acb527dabc8952ed68436b347d8b69ee5d8ef3bf7ad97f2b7b72dcd1e7f88d4abb633fa3c9ef0a55be2fb59702c81eca8cdea045"
    "e82308b7d793ba247d694fa8008c61eec33e526167bc29d26349c33a2b00833bb7f6fd3f0b6d2910c3d3841311250ec461f6fb84055c6050"
    "3a2d246e1fb2fe7575539133d166d23ed1a3a84da2a5660f758a1041182be3101246c4384d233cb536a77265ff66ac611d2fa9d264f5bc1f"
    "ad957d56a97b4e4cbf537b629d4d2b2705a864df0755bf90c01bc43e9b03ac13e96448deba72fd18f28c910e20489326629339eb950b0f15"
    "d6d708f6dd22e8c9a9c8940fb5ec9957e9f475cb73c847626a6e797ec391dee7b51e09acab6996fe61c02462613f064f458028c2ee2d2a93"
    "87589db964c05ce2ce8837ca8723f5d4107f1205c6b12971bf3e8a17eb1064697cfcc03f228b64b87c58babe96dd2aa361b64f81ff2719e8"
    "ef1a212e75a25e2f262d41d0186d4fa361c791aa34654735a82bb36cf85f12b78501e4d799db67fd82791ed056946b41d335f19b030bc4c9"
    "0c4554dd8f6a651f6186a1997f638e8d560d787d25157fdcfffb6e9efc240d74b218a199eb07e91f9cf8654bf7c928528a2b1be04861c55f"
    "e65c88576b4950043ccb0fe1b47354a17cf880868b56a439a205f2b23c2fa435f04367227cb5694c0ae45878aa015a85facf938ad912a702"
    "2df53af72189aefa6c60820c6e7e0ab87be40c3f38369879453d508639981bd72107fd2d62e89755f9c2ac3ea5dc18eedbb41d330b16b511"
    "da31f3d2e2c6076ef6f88952cc97936d"
)
"""CRC-32, in hexadecimal, of the 200 test pictures, in their order."""
