"""The table made from the JSON lines of the benchmarks."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "report.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("darkhorn_benchmarks_report", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


report = load()

LINE = {
    "name": "a/b",
    "events": 20000,
    "wall_s": 0.5,
    "ess": 10000.0,
    "device": "cpu x1",
    "cores": 2,
    "date": "2026-11-20T00:00:00",
}


def test_a_row_holds_rates_per_second() -> None:
    cells = report.row({**LINE, "versions": {"darkhorn": "0.1.0"}})
    assert cells == ["a/b", "cpu x1", "2", "20 000", "0.5", "40000", "20000", "darkhorn 0.1.0", "2026-11-20"]


def test_lines_that_time_no_events_are_left_out() -> None:
    text = report.table([LINE, {"name": "import", "wall_s": 1.0}, {"name": "c", "events": 5}])
    assert len(text.splitlines()) == 3


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(LINE) + "\n\nnot json\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.jsonl:3"):
        report.read_lines([path])
