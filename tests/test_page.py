"""The pages of `learn --html` and `check --html`, as a real browser shows them."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.data import Samples
from sdfa.device.adapt import Settings, adapt, report
from sdfa.device.check import check
from sdfa.device.differences import CLASSES_MAX, confusions, layer_differences, learned_where
from sdfa.image.reader import read_image
from sdfa.show.page.learning import check_page, learn_page
from sdfa.targets import find_target
from sdfa.twin.layers import decode
from tests.browser import picture, render
from tests.clikit import IMAGE, LEARN, Cli, X, Y, done
from tests.samples import with_meta

ADDRESS = re.compile(r"""(?:src|href|url|@import)\s*[=(]?\s*["']?(?!data:|#)(\w+:|//)""")


@pytest.fixture
def pages(work: Path, pytools: Cli) -> Path:
    """A folder with learn.html, check.html and their JSON."""
    done(pytools(*LEARN, "--epochs", 3, "--html", "learn.html", "--json", "learn.json"))
    done(pytools("check", IMAGE, "--data", "ok.npz", "--steps", 60, "--html", "check.html", "--json", "check.json"))
    return work


def _numbers(dom: str, when: str) -> list[list[str]]:
    """Cells of the confusion matrix whose caption begins so."""
    (found,) = re.findall(rf"<caption>{when} learning:.*?</table>", dom, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", found.split("<tbody>")[1], re.DOTALL)
    return [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in rows]


@pytest.mark.parametrize("name", ["learn", "check"])
def test_the_browser_shows_it_without_complaint(pages: Path, tmp_path: Path, name: str) -> None:
    shown = render(pages / f"{name}.html", tmp_path / "profile")
    result = json.loads((pages / f"{name}.json").read_text())
    assert shown.complaints == []
    assert 'data-ready="yes"' in shown.dom
    assert _numbers(shown.dom, "after") == [[str(n) for n in row] for row in result["confusion"]["after"]]
    assert shown.dom.count("<polyline") == 1
    assert shown.dom.count("<circle") == len(result["curve"])
    assert "memory map: arena of 640 bytes" in shown.dom
    assert ("No byte differs" in shown.dom) == (name == "check")
    assert len(picture(pages / f"{name}.html", tmp_path / "other", tmp_path / "page.png")) > 20_000


def test_the_buttons_views(pages: Path, tmp_path: Path) -> None:
    result = json.loads((pages / "learn.json").read_text())["confusion"]
    before, after = np.array(result["before"]), np.array(result["after"])
    percent = render(pages / "learn.html", tmp_path / "profile", "#percent").dom
    row = next(i for i in range(10) if after[i].sum())
    shown = _numbers(percent, "after")[row]
    assert shown == [str(int(np.floor(100 * n / after[row].sum() + 0.5))) for n in after[row]]
    assert 'data-view="percent" aria-pressed="true"' in percent
    change = _numbers(render(pages / "learn.html", tmp_path / "profile", "#change").dom, "after")
    assert change == [[f"{n:+d}" if n else "" for n in row] for row in after - before]


def test_it_needs_no_script_and_no_network(pages: Path) -> None:
    page = (pages / "learn.html").read_text()
    assert not ADDRESS.search(page.replace('xmlns="http://www.w3.org/2000/svg"', ""))
    assert "default-src 'none'" in page
    plain = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    for promised in ("<polyline", "before learning:", "after learning:", "Which weights moved", "Memory", "SHA-256"):
        assert promised in plain
    assert all(re.search(r'role="img" aria-label="[^"]{20,}"', svg) for svg in re.findall(r"<svg[^>]*>", plain))


def test_the_json_inside_is_the_result(pages: Path) -> None:
    (raw,) = re.findall(r"<pre>(.*?)</pre>", (pages / "check.html").read_text(), re.DOTALL)
    assert json.loads(html.unescape(raw)) == json.loads((pages / "check.json").read_text())


def test_a_name_from_a_stranger_is_no_markup(work: Path, tmp_path: Path) -> None:
    labels = ["<script>alert(1)</script>", *map(str, range(9))]
    data = with_meta((work / IMAGE).read_bytes(), lambda meta: meta.update(labels=labels, source="<b>\x1b[31m"))
    image, samples = read_image(data), Samples(X, Y)
    outcome = adapt(find_target("host"), data, samples)
    result = report(outcome, image, Settings(), "x") | learned_where(image, outcome, samples)
    page = tmp_path / "page.html"
    page.write_bytes(learn_page(result, image, data, Path("<i>.sdfa"), {}))
    assert not re.search(r"<script>alert|<b>|<i>|\x1b", page.read_text())
    assert render(page, tmp_path / "profile").complaints == []


def _checked(work: Path, **change: Any) -> str:
    data = (work / IMAGE).read_bytes()
    result = check(find_target("host"), data, Samples(X, Y), 20)
    for place, value in change.items():
        part, key = place.split("_", 1)
        result[part][key] = value
    result["mismatching_bytes"] = sum(result[part]["mismatching_bytes"] for part in ("inference", "learning"))
    return check_page(result, read_image(data), data, Path("x.sdfa"), {}).decode()


def test_a_difference_is_shown_where_it_is(work: Path) -> None:
    bad = [{"per_row": 65, "differing": 3, "by_row": [0, 3, *[0] * 38]}]
    page = _checked(
        work, inference_mismatching_bytes=2, inference_first=[4, 7], inference_by_output=[0] * 7 + [2, 0, 0],
        learning_mismatching_bytes=3, learning_layers=bad, learning_different_counters={"moved": [1, 2]},
    )  # fmt: skip
    assert "5 bytes differ" in page
    assert "First: sample 4, output 7." in page
    assert "7: 2 of 40 values differ" in page
    assert "1: 3 of 65 values differ" in page
    assert "counter moved" in page


def test_an_image_without_learning(work: Path, pytools: Cli, tmp_path: Path) -> None:
    done(pytools("check", "frozen/frozen.sdfa", "--html", "frozen.html"))
    shown = render(work / "frozen.html", tmp_path / "profile")
    assert shown.complaints == []
    assert "No byte differs" in shown.dom
    assert "Which weights moved" not in shown.dom


def test_layer_differences_find_the_byte(work: Path) -> None:
    image = read_image((work / IMAGE).read_bytes())
    other = bytearray(image.tail)
    other[decode(image).layers[0].weights_off + 64 * 3 + 5] ^= 1
    found = layer_differences(image, image.tail, bytes(other))
    assert [layer["differing"] for layer in found] == [1, 0, 0]
    assert found[0]["by_row"].index(1) == 3
    assert [layer["per_row"] for layer in found] == [65, 41, 25]


def test_many_classes_have_no_matrix(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = read_image((work / IMAGE).read_bytes())
    assert confusions(image, Y, Y, Y) is not None
    monkeypatch.setattr("sdfa.device.differences.class_count", lambda _: CLASSES_MAX + 1)
    assert confusions(image, Y, Y, Y) is None


def test_the_page_is_refused_before_the_work(refused: Any) -> None:
    assert "in use" in refused(*LEARN, "--html", "new.sdfa")
    assert "in use" in refused("check", IMAGE, "--html", IMAGE)
    assert "no folder" in refused("check", IMAGE, "--html", "nowhere/page.html")


def test_a_regression_shows_its_error(pytools: Cli, work: Path, tmp_path: Path) -> None:
    shutil.rmtree("digits")
    rng = np.random.default_rng(1)
    np.savez("r.npz", x=rng.random((30, 8), np.float32), y=rng.random((30, 2), np.float32))
    done(pytools("init", "8-6-2", "--loss", "mse", "--calib", "r.npz", "-o", "digits", "--name", "digits"))
    done(pytools("learn", IMAGE, "--data", "r.npz", "--epochs", 2, "-o", "new.sdfa", "--html", "r.html"))
    shown = render(Path("r.html"), tmp_path / "profile")
    assert shown.complaints == []
    assert "took the rmse from" in shown.dom
    assert "What is taken for what" not in shown.dom
