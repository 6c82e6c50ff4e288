"""What a release needs: one version everywhere, workflows that call what exists, and files that tools can read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import sdfa
from tests.release import ROOT, problems, versions

WORKFLOWS = ROOT / ".github" / "workflows"
NAMES = ("lint", "test", "docs", "release")


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _runs(workflow: Any) -> list[str]:
    """The command lines of a workflow."""
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return [line for step in steps if "run" in step for line in step["run"].splitlines()]


def test_the_version_is_the_same_everywhere() -> None:
    assert set(versions().values()) == {sdfa.__version__}
    assert problems(None) == []


def test_a_release_needs_its_tag_and_a_date(tmp_path: Path) -> None:
    for name in ("CHANGELOG.md", "CITATION.cff", "firmware/library.json", "firmware/library.properties"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    log = tmp_path / "CHANGELOG.md"
    text = re.sub(r"^## .*$", f"## {sdfa.__version__} (not released)", log.read_text(), count=1, flags=re.MULTILINE)
    log.write_text(text)
    assert problems(f"v{sdfa.__version__}", tmp_path) == [
        "CHANGELOG.md says that this version is not released: give it a date"
    ]
    log.write_text(text.replace("not released", "2026-12-01"))
    assert problems(f"v{sdfa.__version__}", tmp_path) == []
    assert problems("v9.9.9", tmp_path) == [f"the tag is v9.9.9, the version {sdfa.__version__}"]
    log.write_text(text.replace("not released", "soon"))
    assert "must be" in problems(None, tmp_path)[0]
    (tmp_path / "CITATION.cff").write_text("version: 9.9.9\n")
    assert "CITATION.cff says 9.9.9" in problems(None, tmp_path)[0]


@pytest.mark.parametrize("name", NAMES)
def test_workflows_call_targets_that_exist(name: str) -> None:
    workflow = _yaml(WORKFLOWS / f"{name}.yml")
    assert workflow["name"] == name
    assert workflow[True]  # `on`, as YAML 1.1 reads it
    assert workflow["permissions"]
    runs = _runs(workflow)
    assert runs
    for line in runs:
        program, target, *_ = line.split()
        assert program == "make"
        assert target in _targets(), line
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert all(re.fullmatch(r"[\w/-]+@[\w./]+", step["uses"]) for step in job["steps"] if "uses" in step)


def test_every_target_of_ci_is_in_a_workflow() -> None:
    ci = re.findall(r"^make ([a-z-]+)", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    called = {line.split()[1] for name in NAMES for line in _runs(_yaml(WORKFLOWS / f"{name}.yml"))}
    assert set(ci) == called == {"demo", "lint", "test", "bench", "results", "docs", "release-check"}


def test_hooks_are_those_of_lint() -> None:
    lint = (ROOT / "Makefile").read_text(encoding="utf-8")
    (repo,) = _yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert {hook["id"] for hook in repo["hooks"]} == {"ruff", "ruff-format", "mypy", "clang-format"}
    for hook in repo["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert re.search(rf"^\t(\$\(BIN\)/)?{program}\b", lint, re.MULTILINE)
        assert hook["language"] == "system"


def test_the_citation_is_whole() -> None:
    citation = _yaml(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license", "version", "references"} <= citation.keys()
    assert citation["license"] in (ROOT / "LICENSE").read_text(encoding="utf-8")
    (paper,) = citation["references"]
    assert re.fullmatch(r"10\.\d+/\S+", paper["doi"])


def test_what_a_stranger_looks_for_is_there() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(target in _targets() for target in re.findall(r"^make ([a-z-]+)", contributing, re.MULTILINE))
    assert "Report a vulnerability" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
