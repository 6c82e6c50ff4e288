"""Data sets from a server of this computer: what arrives, and what is refused."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import threading
import wave
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.errors import SdfaError
from sdfa.experiment import convert
from sdfa.experiment import fetch as source
from sdfa.experiment.fetch import ORIGINS, digest_of, fetch, idx
from sdfa.experiment.sets import SETS
from tests.clikit import Cli, done, one_line

RNG = np.random.default_rng(1)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(address, folder that it serves)."""
    folder = tmp_path / "served"
    folder.mkdir()
    made = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}", folder
    made.shutdown()
    made.server_close()
    thread.join()


def as_idx(array: npt.NDArray[np.uint8]) -> bytes:
    return gzip.compress(struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes())


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def gas_lines(rows: npt.NDArray[np.float64], gas: int) -> bytes:
    lines = [f"{gas};10.5 " + " ".join(f"{i + 1}:{v:.6f}" for i, v in enumerate(row)) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def sound(length: int, seed: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.random.default_rng(seed).integers(-3000, 3000, length).astype("<i2").tobytes())
    return out.getvalue()


def put(name: str, folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Files of a small set in the origin's form; the arrays that must come out of them (those that are checked)."""
    names = [address.rpartition("/")[2] for address in ORIGINS[name].files]
    if name == "mnist":
        arrays = [RNG.integers(0, 256, s).astype(np.uint8) for s in ((5, 4, 4), (5,), (3, 4, 4), (3,))]
        for file, array in zip(names, arrays, strict=True):
            (folder / file).write_bytes(as_idx(array))
        return dict(zip(ORIGINS[name].checked, arrays, strict=True))
    if name == "gas_drift":
        x = np.round(RNG.random((6, 2, 128)) * 100, 4)
        files = {f"Dataset/batch{b}.dat": gas_lines(x[b - 1], b) for b in range(1, 7)}
        (folder / names[0]).write_bytes(zipped(files | {"Dataset/batch10.dat": b"1;2 1:3"}))
        gases, batches = np.repeat(np.arange(6), 2).astype(np.uint8), np.repeat(np.arange(1, 7), 2).astype(np.uint8)
        return {
            "X": x.reshape(12, 128).astype(np.float32), "y": gases, "batch": batches,
            "conc_ppmv": np.full(12, 10.5, np.float32), "classes": np.array(source._GASES),
        }  # fmt: skip
    if name in _PUT:
        return _PUT[name](folder / names[0])
    sounds = {
        f"x/recordings/{d}_{who}_{i}.wav": sound(1000 + 9000 * d, 10 * d + i)
        for who in ("b", "a")
        for d in (1, 0)
        for i in (10, 2)
    }
    (folder / names[0]).write_bytes(zipped(sounds | {"x/README.md": b"hello"}))
    order = [(who, d, i) for who in "ab" for d in (0, 1) for i in (2, 10)]
    waves = [np.frombuffer(sound(1000 + 9000 * d, 10 * d + i)[44:], "<i2") for _, d, i in order]
    return {
        "wav": np.concatenate(waves), "wav_len": np.array([len(w) for w in waves], np.int32),
        "y": np.array([d for _, d, _ in order], np.uint8), "speaker": np.array([w for w, _, _ in order]),
        "idx": np.array([i for _, _, i in order], np.uint8),
    }  # fmt: skip


def _put_myo(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Recordings of one to three moments, with what else lies in that repository."""
    parts = {"EvaluationDataset": source._MYO_NEW, "PreTrainingDataset": source._MYO_BASE}
    files, waves = {"x-master/EvaluationDataset/Female1/Test0/CNN_fully_trained.p": b"pickle"}, []
    for part, people in parts.items():
        for person in people:
            for session in ("Test0", "Test1", "training0") if part[0] == "E" else ("training0",):
                for n in source._MYO_FILES:
                    waves.append(RNG.integers(-128, 128, (1 + int(n) % 3, 8)))
                    data = waves[-1].astype("<i2").tobytes() + bytes(int(n) % 2 * 2)  # sometimes a value too many
                    files[f"x-master/{part}/{person}/{session}/classe_{n}.dat"] = data
    path.write_bytes(zipped(files))
    takes = np.array([name.split("/")[1:] for name in files if name.endswith(".dat")])
    number = np.array([int(name[7:-4]) for name in takes[:, 3]], np.uint8)
    letter = np.char.array(takes[:, 0].astype("<U1"))
    return {
        "emg": np.concatenate(waves).astype(np.int8), "length": np.array([len(w) for w in waves], np.int32),
        "subject": np.asarray(letter + "_" + takes[:, 1]).astype("<U10"), "session": takes[:, 2].astype("<U9"),
        "rep": number // np.uint8(7), "y": number % np.uint8(7), "role": np.where(letter == "E", "new", "base"),
    }  # fmt: skip


_MOMENTS = {"SA01/D01": 2700, "SA01/D07": 130, "SA01/F01": 300, "SA16/F15": 128, "SE09/D06": 200, "SE09/D10": 127}
"""Recordings, and how long they are at 50 Hz: the last one is too short for a window."""


def _put_sisfall(path: Path) -> dict[str, npt.NDArray[Any]]:
    """First trial of each, and one with the other trials too. The fall has its peak near its end."""
    files = {"x-1/SisFall_dataset/Readme.txt": b"hello", "x-1/SE15/D17_SE15_R01.txt": b"1,2"}
    x: list[npt.NDArray[Any]] = []
    heads: list[tuple[str, str, int, int]] = []
    for place, n in _MOMENTS.items():
        who, code = place.split("/")
        for trial in (1, 2, 3) if code == "D07" else (1,):
            slow = RNG.integers(-300, 300, (n, 9))
            slow[250:251, 1] = -2000
            fast = np.repeat(slow, 4, axis=0)
            fast[2::4] += 1
            fast[3::4] += 1  # means of a half
            text = "".join(",".join(f"{v:5d}" for v in row) + ";\n" for row in fast) + "\n"
            files[f"x-1/SisFall_dataset/{who}/{code}_{who}_R{trial:02}.txt"] = text.encode()
            even = 2 * ((slow[:, :6] + 1) // 2)
            fall = [min(250 - 64, n - 128) if n > 250 else 0]
            starts = fall if code[0] == "F" else list(range(0, n - 127, 64))
            x += [even[at : at + 128] for at in starts]
            heads += [(who, code, trial, i) for i in range(len(starts))]
    path.write_bytes(zipped(files))
    subject, codes, trials, wins = (np.array(column) for column in zip(*heads, strict=True))
    phase = [(w > 35) + (w in (36, 37, 38)) if c == "D01" else t > 2 for _, c, t, w in heads]
    y = {"D01": 0, "D06": 5, "D07": 6, "F01": 7, "F15": 7}
    return {
        "X": np.stack(x).astype(np.int16), "y": np.array([y[c] for _, c, _, _ in heads], np.uint8),
        "subject": subject, "code": codes,
        "trial": trials.astype(np.uint8), "win": wins.astype(np.uint16), "phase": np.array(phase, np.uint8),
        "role": np.where(subject == "SA01", "base", "new"),
    }  # fmt: skip


def _put_wisdm(path: Path) -> dict[str, npt.NDArray[Any]]:
    """With a missing peak, a user who is not among those known, and a quoted activity."""
    x = np.round(RNG.random((4, 43)) * 50, 2)
    x[2, 33] = np.nan
    names = ("UNIQUE_ID", "user", *convert._FEATURES)
    head = (
        "@relation a\n\n" + "".join(f'@attribute "{name}" numeric\n' for name in names) + "@attribute class\n\n@data\n"
    )
    kinds = ("Walking", "Jogging", '"Standing"', "Sitting")
    lines = [
        f"{i + 7},{user},{','.join('?' if np.isnan(v) else f'{v:g}' for v in row)},{kind}\n"
        for i, (user, row, kind) in enumerate(zip((17, 33, 1, 35), x, kinds, strict=True))
    ]
    path.write_text(head + "".join(lines), encoding="utf-8")
    kept = [0, 2, 3]
    return {
        "X": x[kept].astype(np.float32), "y": np.array([0, 5, 4], np.uint8), "user": np.array([17, 1, 35], np.uint8),
        "uid": np.array([7, 9, 10], np.int64),
    }  # fmt: skip


def _put_cifar(path: Path) -> dict[str, npt.NDArray[Any]]:
    pictures = RNG.integers(0, 256, (2, 5, 32, 32, 3)).astype(np.uint8)
    labels = RNG.integers(0, 10, (2, 5)).astype(np.uint8)
    with tarfile.open(path, "w:gz") as archive:
        for name, x, y in zip(("data_batch_1.bin", "test_batch.bin"), pictures, labels, strict=True):
            rows = np.concatenate([y[:, None], x.transpose(0, 3, 1, 2).reshape(5, -1)], axis=1)
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = rows.size
            archive.addfile(info, io.BytesIO(rows.tobytes()))
    return {"X_train": pictures[0], "y_train": labels[0], "X_ic01": pictures[1, [3, 0]], "y_ic01": labels[1, [3, 0]]}


_PUT = {"myo_emg": _put_myo, "sisfall_har": _put_sisfall, "wisdm_v11_features": _put_wisdm, "cifar10_small": _put_cifar}
ONE_OF_EACH_FORM = ["mnist", "gas_drift", "fsdd", *_PUT]


def trust(name: str, arrays: dict[str, npt.NDArray[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the small set for the real one."""
    from dataclasses import replace

    origin = ORIGINS[name]
    if name == "cifar10_small":
        scored = "".join(f"{zlib.crc32(picture.tobytes()):08x}" for picture in arrays["X_ic01"])
        monkeypatch.setattr(convert, "_SCORED", scored)
    monkeypatch.setitem(ORIGINS, name, replace(origin, digest=digest_of(arrays, origin.checked)))


@pytest.mark.parametrize("name", ONE_OF_EACH_FORM)
def test_from_a_server(
    name: str, server: tuple[str, Path], tmp_path: Path, pytools: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    arrays = put(name, folder)
    trust(name, arrays, monkeypatch)
    ran = done(pytools("experiment", "fetch", name, "-o", tmp_path, "--from", address))
    assert ORIGINS[name].licence in " ".join(ran.out.split())
    with np.load(tmp_path / f"{name}.npz") as found:
        for key, array in arrays.items():
            assert np.array_equal(found[key], array, equal_nan=array.dtype.kind == "f"), key
            assert found[key].dtype == array.dtype, key
        if name == "fsdd":
            assert (found["logmel"].shape, found["logmel"].dtype) == ((8, 49, 32), np.int8)
            assert found["logmel"][2].std() > 3


def test_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust("mnist", put("mnist", tmp_path), monkeypatch)
    seen: list[str] = []
    fetch("mnist", tmp_path, str(tmp_path), seen.append)
    assert len(seen) == 4
    assert (tmp_path / "mnist.npz").is_file()


def test_other_samples_are_refused(server: tuple[str, Path], tmp_path: Path) -> None:
    put("mnist", server[1])
    with pytest.raises(SdfaError, match="SHA-256 differs"):
        fetch("mnist", tmp_path, server[0], lambda _: None)
    assert not (tmp_path / "mnist.npz").exists()


@pytest.mark.parametrize("name", ONE_OF_EACH_FORM)
@pytest.mark.parametrize("how", ["cut", "text", "empty", "bomb"])
def test_damaged_files_are_refused(name: str, how: str, tmp_path: Path) -> None:
    put(name, tmp_path)
    for address in ORIGINS[name].files:
        path = tmp_path / address.rpartition("/")[2]
        data = path.read_bytes()
        path.write_bytes(
            {"cut": data[: len(data) // 2], "text": b"<html>", "empty": b"", "bomb": data[:-9] + b"9" * 9}[how]
        )
    with pytest.raises(SdfaError) as error:
        fetch(name, tmp_path, str(tmp_path), lambda _: None)
    assert "\n" not in str(error.value)


def test_refusals(tmp_path: Path, pytools: Cli, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SDFA_DATA", raising=False)
    line = one_line(pytools("experiment", "fetch", "arabic_commands", "-o", tmp_path))
    assert "get it from https://github.com/abdulkaderghandoura/arabic-speech-commands-dataset" in line
    assert "fetch makes mnist" in one_line(pytools("experiment", "fetch", "magic", "-o", tmp_path))
    assert "set SDFA_DATA" in one_line(pytools("experiment", "fetch", "mnist"))
    assert "no folder" in one_line(pytools("experiment", "fetch", "mnist", "-o", tmp_path / "none"))
    for place in (server[0], "http://127.0.0.1:1", "ftp://there", str(tmp_path)):
        one_line(pytools("experiment", "fetch", "mnist", "-o", tmp_path, "--from", place))


def test_what_has_no_converter_is_known_to_the_experiments() -> None:
    named = {name for name, known in SETS.items() if known.file}
    assert named == {*ORIGINS, *source.ELSEWHERE}


def test_idx_by_hand() -> None:
    assert idx(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03" + bytes(range(6))).tolist() == [[0, 1, 2], [3, 4, 5]]
    for wrong in (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", b"\0\0\x08\x01\0\0\0\x02\0", b""):
        with pytest.raises(ValueError, match="idx"):
            idx(wrong)


@pytest.mark.shared
@pytest.mark.parametrize("name", [name for name in ORIGINS if name != "fsdd"])
def test_the_digests_are_those_of_the_checked_files(name: str, shared: Path) -> None:
    with np.load(shared / "data" / f"{name}.npz") as found:
        assert (
            digest_of({key: found[key] for key in ORIGINS[name].checked}, ORIGINS[name].checked) == ORIGINS[name].digest
        )


@pytest.mark.shared
def test_the_digest_and_features_of_spoken_digits(shared: Path) -> None:
    """Our log-mel values lie within a few units of those that came with the set: windows and rounding differ."""
    with np.load(shared / "data" / "fsdd.npz") as found:
        order = np.lexsort((found["idx"], found["y"], found["speaker"]))
        cut = np.split(found["wav"], np.cumsum(found["wav_len"])[:-1])
        arrays = {key: found[key][order] for key in ("wav_len", "y", "speaker", "idx")}
        logmel = found["logmel"][order]
    arrays["wav"] = np.concatenate([cut[i] for i in order])
    assert digest_of(arrays, ORIGINS["fsdd"].checked) == ORIGINS["fsdd"].digest
    ours = np.stack([source._logmel(cut[i]) for i in order[::200]]).astype(int)
    assert np.abs(ours - logmel[::200]).mean() < 1.5
