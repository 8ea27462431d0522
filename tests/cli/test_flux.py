"""`darkhorn flux`: contract of --json and the table, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BEAM = ["flux", "--beam", "bnb", "--mode", "neutrino"]


def test_json_and_table(darkhorn: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "flux.csv"
    result = darkhorn(*BEAM, "--detector", "miniboone", "-n", "600", "--json", "-o", path, "-q")
    assert (result.code, result.err) == (0, "")
    document = json.loads(result.out)
    assert {"beam", "mode", "detector", "edges_GeV", "unit", "rows"} <= set(document)
    assert (document["beam"], document["detector"], document["unit"]) == ("bnb", "miniboone", "cm^-2 POT^-1 per bin")
    (total,) = [r for r in document["rows"] if (r["pdg"], r["parent"]) == (14, "total")]
    assert len(total["content"]) == len(total["error"]) == len(document["edges_GeV"]) - 1
    assert 1e-10 < sum(total["content"]) < 2e-9
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[2].startswith("E_lo_GeV,E_hi_GeV,numu,numu_err")
    assert float(lines[3 + 12].split(",")[2]) == pytest.approx(total["content"][12], rel=1e-5)
    again = darkhorn(*BEAM, "--detector", "miniboone", "-n", "600", "-o", path)
    assert again.code == 4  # exists
    shown = darkhorn(*BEAM, "--detector", "miniboone", "-n", "600", "--no-secondaries")
    assert shown.code == 0
    assert "K0_L" in shown.out
    assert "anti-nu_e" in shown.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["flux", "--beam", "numi-me", "--mode", "neutrino", "--detector", "miniboone"], 3, "minerva"),
        (["flux", "--beam", "numi", "--mode", "neutrino", "--detector", "minerva"], 3, "numi-me"),
        ([*BEAM, "--detector", "miniboone", "--stopped-kaons", "0.1"], 3, "numi-le"),
        ([*BEAM, "--detector", "minibone"], 3, "miniboone"),
        ([*BEAM, "--detector", "miniboone", "-o", "flux.pdf"], 3, ".csv"),
        ([*BEAM, "--detector", "miniboone", "-n", "0"], 2, "-n"),
        (["flux", "--beam", "bnb", "--mode", "sideways", "--detector", "miniboone"], 2, "mode"),
        (["flux", "--beam", "bnb", "--detector", "miniboone"], 2, "--mode"),
    ],
)
def test_wrong_use(darkhorn: Callable[..., Any], arguments: list[str], code: int, says: str) -> None:
    result = darkhorn(*arguments)
    assert result.code == code
    assert says in result.err
    assert "Traceback" not in result.err
