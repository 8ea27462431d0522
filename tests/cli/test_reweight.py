"""The command `reweight`: report, exit codes, what it leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import darkhorn as dh

SET = ("--set", "model.epsilon=1e-3")


def test_json_is_the_report_and_info_tells_it(events: Path, tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    out = tmp_path / "new.h5"
    result = darkhorn("reweight", events, *SET, "-o", out, "--json", "-q")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    new = dh.read(out)
    assert found["file"] == str(out)
    assert found["changes"] == {"model.epsilon": [8e-4, 1e-3]}
    assert found["sum_w"] == new.sum_w or abs(found["sum_w"] / new.sum_w - 1) < 1e-12
    assert 1.5 < new.sum_w / dh.read(events).sum_w < 1.6
    assert darkhorn("validate", out).code == 0
    told = darkhorn("info", out).out
    assert "reweighted      from events.h5: model.epsilon 0.0008 -> 0.001; ESS" in told


def test_the_summary_says_what_became_of_the_events(events: Path, tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    result = darkhorn("reweight", events, *SET, "-o", tmp_path / "new.h5")
    assert result.code == 0
    assert result.out == ""
    assert "model.epsilon 0.0008 -> 0.001" in result.err
    assert "sum of weights" in result.err
    assert "ESS" in result.err


def test_exit_codes(events: Path, tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    out = tmp_path / "new.h5"
    assert darkhorn("reweight", events, "-o", out).code == 2
    assert darkhorn("reweight", events, *SET).code == 2
    assert darkhorn("reweight", tmp_path / "none.h5", *SET, "-o", out).code == 3
    refused = darkhorn("reweight", events, "--set", "model.m4=110 MeV", "-o", out)
    assert refused.code == 3
    assert "0.106 in the events" in refused.err
    assert "Traceback" not in refused.err
    assert darkhorn("reweight", events, *SET, "-o", tmp_path / "no" / "new.h5").code == 4
    assert darkhorn("reweight", events, *SET, "-o", out, "--flight-resolution", "1 kg").code == 2
    assert not out.exists()
    assert darkhorn("reweight", events, *SET, "-o", out).code == 0
    assert darkhorn("reweight", events, *SET, "-o", out).code == 4
    assert darkhorn("reweight", events, *SET, "-o", out, "--overwrite").code == 0
