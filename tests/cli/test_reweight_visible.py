"""`darkhorn reweight --to`: a valid file, one JSON document, refusals with exit status 3."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# One channel instead of eight: quick to compile.
SMALL = [
    *("--set", "physics.regimes=[coherent]", "--set", "physics.helicities=[conserving]"),
    *("--set", "source.flavours=[nu_mu]"),
]
QUICK = ["--density-events", "30000"]


@pytest.fixture(scope="module")
def broad(tmp_path_factory: pytest.TempPathFactory, cache: str) -> Path:
    from darkhorn.cli.main import run

    path = tmp_path_factory.mktemp("broad") / "broad.h5"
    assert run(["generate", "microboone-broad", "-n", "50000", "-o", str(path), "-q"]) == 0
    return path


def test_to_a_card(broad: Path, darkhorn: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "light.h5"
    result = darkhorn("reweight", broad, "--to", "microboone", *SMALL, *QUICK, "-o", out, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["file"] == str(out)
    assert found["coverage"] > 0.99
    assert found["density_events"] == 30000
    assert abs(found["sum_w"] - found["target"]) < 5 * (found["sum_w_error"] + found["density_error"])
    assert "covered" in result.err
    assert darkhorn("validate", out).code == 0
    said = darkhorn("info", out).out.split("reweighted to   microboone, ")[1].splitlines()
    assert "m4 0.106 GeV" in said[0]
    assert "covered" in said[1]
    told = json.loads(darkhorn("info", out, "--json").out)
    assert told["visible_reweighting"]["target_card_resolved"]["physics"]["regimes"] == ["coherent"]
    again = darkhorn("reweight", broad, "--to", "microboone", *SMALL, *QUICK, "-o", out)
    assert again.code == 4  # the output exists


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ([], 2, "--to"),
        (["--to", "microboone", "--in", "e_e"], 3, "e_ee"),
        (["--to", "microboon"], 3, "microboone"),
        (["--to", "sbnd", *QUICK], 3, "detector"),
        (["--to", "microboone", *SMALL, *QUICK, "--min-ess", "1e6"], 3, "effective sample size"),
        (["--to", "microboone", *SMALL, *QUICK, "--set", "model.mzprime=1 m"], 3, "mzprime"),
    ],
)
def test_refusals(
    broad: Path, darkhorn: Callable[..., Any], tmp_path: Path, options: list[str], code: int, text: str
) -> None:
    result = darkhorn("reweight", broad, *options, "-o", tmp_path / "out.h5")
    assert result.code == code, result.err
    assert text in result.err
    assert "Traceback" not in result.err
    assert not list(tmp_path.iterdir())
