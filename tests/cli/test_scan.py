"""`darkhorn scan` and `darkhorn plot`: results, messages and exit statuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from darkhorn.cli.main import run

Call = Callable[..., Any]
SMALL = [
    *("--set", "physics.regimes=[coherent]", "--set", "physics.helicities=[conserving]"),
    *("--set", "source.flavours=[nu_mu]"),
]
GRID = ["--grid", "model.m4=60 MeV,120 MeV", "--grid", "model.umu4_sq=1e-11:1e-9:3:log"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, cache: str) -> Path:
    path = tmp_path_factory.mktemp("scan") / "plane.h5"
    assert run(["scan", "microboone", *SMALL, *GRID, "-o", str(path), "-q", "--precision", "0.05"]) == 0
    return path


def test_json_says_what_was_found(darkhorn: Call, tmp_path: Path) -> None:
    path = tmp_path / "line.h5"
    grid = ["--grid", "model.m4=1 MeV,60 MeV"]
    result = darkhorn("scan", "microboone", *SMALL, *grid, "-o", path, "--json", "--precision", "0.05")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert (found["points"], found["computed"], found["refused"]) == (2, 1, 1)
    assert found["largest_relative_error"] <= 0.05
    assert "closed decay" in found["messages"][0]
    assert "\r" not in result.err  # no bar where nobody watches


def test_a_scan_is_drawn(darkhorn: Call, plane: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "plane.png"
    assert darkhorn("plot", plane, "-o", picture, "--level", "1").code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert darkhorn("plot", plane, "-o", picture).code == 4
    assert darkhorn("plot", plane, "-o", tmp_path / "plane.doc").code == 3
    assert darkhorn("plot", plane, "-o", tmp_path / "x.png", "--level", "0").code == 2


def test_events_are_drawn(darkhorn: Call, events: Path, tmp_path: Path) -> None:
    assert darkhorn("plot", events, "-o", tmp_path / "events.pdf").code == 0
    assert darkhorn("plot", events, "-o", tmp_path / "two.pdf", "--level", "1").code == 3


def test_wrong_grids_and_outputs(darkhorn: Call, plane: Path, tmp_path: Path) -> None:
    def scan(*arguments: Any, output: Path = tmp_path / "new.h5") -> Any:
        return darkhorn("scan", "microboone", *SMALL, *arguments, "-o", output)

    unknown = scan("--grid", "model.m44=50 MeV:60 MeV:2")
    assert unknown.code == 3
    assert "m4" in unknown.err
    assert "Traceback" not in unknown.err
    assert scan("--grid", "model.m4=50:60").code == 3
    assert scan().code == 2  # no grid
    assert scan(*GRID, output=plane).code == 4  # exists
    assert scan(*GRID, output=tmp_path / "plane.txt").code == 3
    assert scan(*GRID, "--resume").code == 3  # nothing to resume
    assert not list(tmp_path.iterdir())


def test_a_scan_is_a_card(darkhorn: Call, plane: Path) -> None:
    assert darkhorn("widths", plane, "--json").code == 0
    assert darkhorn("info", plane).code == 3  # and no event file
