"""`darkhorn flux`: contract of --json and the table, files, cards, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkhorn.fluxes.rays import ray_table
from darkhorn.generator.files.ray_file import read_rays, write_rays

BEAM = ["flux", "--beam", "bnb", "--mode", "neutrino"]


def test_json_and_file(darkhorn: Callable[..., Any], tmp_path: Path) -> None:
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
    assert "numu_from_211" in lines[2]
    assert float(lines[3 + 12].split(",")[2]) == pytest.approx(total["content"][12], rel=1e-5)
    again = darkhorn(*BEAM, "--detector", "miniboone", "-n", "600", "-o", path)
    assert again.code == 4  # exists


@pytest.mark.slow
def test_table_of_a_beam(darkhorn: Callable[..., Any]) -> None:
    shown = darkhorn(*BEAM, "--detector", "miniboone", "-n", "600", "--no-secondaries")
    assert shown.code == 0
    assert "K0_L" in shown.out
    assert "anti-nu_e" in shown.out


def test_rays_become_the_source_of_a_card_and_a_picture(darkhorn: Callable[..., Any], tmp_path: Path) -> None:
    rays, flux, image = (tmp_path / name for name in ("rays.h5", "flux.h5", "flux.png"))
    columns: dict[str, Any] = {c: np.zeros(4) for c in ("x", "y", "z", "px", "py")} | {"pz": np.arange(4) + 0.5}
    columns |= {"nu_pdg": np.zeros(4), "parent_pdg": [211, 211, -13, 130], "weight": np.full(4, 1e-3)}
    write_rays(ray_table({**columns, "energy_star": np.full(4, np.nan)}, where="test", source="four rays"), rays)
    card = ["sbnd", "--set", f'source={{"kind": "rays", "file": "{rays}"}}']
    result = darkhorn("flux", *card, "-o", flux, "--json", "-q")
    assert (result.code, result.err) == (0, "")
    assert {row["parent"] for row in json.loads(result.out)["rows"]} > {"total", 211, -13}
    assert darkhorn("flux", *card, "-o", flux).code == 4
    again = darkhorn("flux", *card, "-o", flux, "--overwrite", "--rays", tmp_path / "copy.h5")
    assert (again.code, "copy.h5" in again.err) == (0, True)
    np.testing.assert_array_equal(read_rays(tmp_path / "copy.h5")["pz"], columns["pz"])
    assert darkhorn("flux", *card, "--rays", tmp_path / "copy.h5").code == 4
    for file, says in ((rays, "darkhorn flux CARD"), (flux, "darkhorn plot")):
        told = darkhorn("info", file)  # neither has events
        assert (told.code, says in told.err) == (3, True)
    pytest.importorskip("matplotlib")
    assert darkhorn("plot", flux, "--reference", "bnb-neutrino-sbnd", "-o", image).code == 0
    assert image.stat().st_size > 10_000
    told = darkhorn("plot", flux, "--level", "1", "-o", tmp_path / "x.png")
    assert (told.code, "found a flux" in told.err) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["flux", "--beam", "numi-me", "--mode", "neutrino", "--detector", "miniboone"], 3, "minerva"),
        (["flux", "--beam", "numi", "--mode", "neutrino", "--detector", "minerva"], 3, "numi-me"),
        ([*BEAM, "--detector", "miniboone", "--stopped-kaons", "0.1"], 3, "numi-le"),
        ([*BEAM, "--detector", "minibone"], 3, "miniboone"),
        ([*BEAM, "--detector", "miniboone", "--mesons", "pi0"], 3, "--rays"),
        ([*BEAM, "--detector", "miniboone", "--rays", "x.h5", "--mesons", "pi0,eto"], 3, "eta"),
        ([*BEAM, "--detector", "miniboone", "--rays", "x.h5", "--eta-per-pi0", "0.1"], 2, "--mesons"),
        (["flux", "microboone", "--mesons", "pi0"], 2, "source.mesons"),
        ([*BEAM, "--detector", "miniboone", "-o", "flux.pdf"], 3, ".csv"),
        ([*BEAM, "--detector", "miniboone", "-n", "0"], 2, "-n"),
        ([*BEAM, "--detector", "miniboone", "--rays", "rays.root"], 3, ".h5"),
        ([*BEAM, "--detector", "miniboone", "--rays", "no/such/rays.h5"], 4, "does not exist"),
        ([*BEAM, "--detector", "miniboone", "--rays", "x.h5", "-o", "x.h5"], 3, "another file"),
        ([*BEAM, "--detector", "miniboone", "--reweight", "nothing.csv"], 3, "no such file"),
        ([*BEAM, "--detector", "miniboone", "--set", "generate.seed=3"], 2, "CARD"),
        (["flux", "--beam", "bnb", "--mode", "sideways", "--detector", "miniboone"], 2, "mode"),
        (["flux", "--beam", "bnb", "--detector", "miniboone"], 2, "--mode"),
        (["flux"], 2, "CARD"),
        (["flux", "microboone", "--beam", "bnb"], 2, "--set"),
        (["flux", "microboone", "--no-secondaries"], 2, "source.secondaries"),
        (["flux", "microbone"], 3, "microboone"),
        (["flux", "microboone", "--rays", "x.h5"], 3, "no rays"),
        (["flux", "microboone", "--reweight", "x.csv"], 3, "reweight"),
        (["flux", "microboone", "--set", 'source={"kind": "rays", "file": "nothing.root"}'], 3, "no such file"),
        (["plot", "nothing.csv", "--reference", "bnb-neutrino-sbnd"], 3, "no flux"),
    ],
)
def test_wrong_use(darkhorn: Callable[..., Any], arguments: list[str], code: int, says: str) -> None:
    result = darkhorn(*arguments)
    assert result.code == code, result.err
    assert says in result.err
    assert "Traceback" not in result.err
