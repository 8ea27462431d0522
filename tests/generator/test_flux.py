"""Fluxes as documents: of a simulated beam by way of its rays, of a card, reweighted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkhorn.fluxes.rays import RayTable, ray_table
from darkhorn.generator.beams.beam_flux import NUMI_EDGES
from darkhorn.generator.beams.ray_flux import neutrinos_of, reweighted
from darkhorn.generator.beams.simulate import simulate_flux
from darkhorn.generator.experiment import experiment
from darkhorn.generator.files.ray_file import write_rays
from darkhorn.generator.flux import flux_of_beam, flux_of_card
from darkhorn.generator.runcard import load_card
from darkhorn.kernels.errors import InputError

PARTICLES = 11 * 1023
RATIOS = "E_lo_GeV,E_hi_GeV,numu,numu_from_321\n0,1,2,0.5\n1,3,1,0.25\n"


def few(chosen: int = 1) -> RayTable:
    """Four rays; chosen 0: their decays are open."""
    n = 4
    columns = {c: np.zeros(n) for c in ("x", "y", "z", "px", "py")} | {"pz": [2.0, 1.0, 3.0, 1.0]}
    columns |= {"nu_pdg": np.array([14, 14, 14, 12]) * chosen, "parent_pdg": [211, 321, 211, -13], "weight": np.ones(n)}
    return ray_table({**columns, "energy_star": np.full(n, 0.03)}, where="test", source="test")


@pytest.fixture(scope="module")
def rays(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A ray file of the BNB and the flux that was made with it."""
    path = tmp_path_factory.mktemp("rays") / "rays.h5"
    return path, flux_of_beam("bnb", "neutrino", "sbnd", PARTICLES, rays=path)


def total(document: dict[str, Any], pdg: int, parent: Any = "total") -> tuple[float, float]:
    (row,) = [r for r in document["rows"] if (r["pdg"], r["parent"]) == (pdg, parent)]
    return sum(row["content"]), float(np.sqrt(np.sum(np.square(row["error"]))))


@pytest.mark.slow
def test_the_flux_of_the_rays_is_that_of_the_simulation(rays: tuple[Path, dict[str, Any]]) -> None:
    """The same parents, other points of the window: less apart than the errors of two samples; 5 sigma, 12 numbers."""
    direct = simulate_flux("bnb", "neutrino", ("sbnd",), PARTICLES)[0].document()
    rows = {(r["pdg"], r["parent"]) for r in direct["rows"]}
    assert rows == {(r["pdg"], r["parent"]) for r in rays[1]["rows"]}
    for pdg, parent in rows:
        (one, error), (other, spread) = total(direct, pdg, parent), total(rays[1], pdg, parent)
        assert abs(one - other) < 5 * np.hypot(error, spread)
    assert total(direct, 14)[1] < 0.08 * total(direct, 14)[0]


@pytest.mark.slow
def test_a_card_of_the_rays_and_one_of_the_beam(rays: tuple[Path, dict[str, Any]]) -> None:
    """The average over the volume of SBND, 5 m deep, is near that over its front face; both cards are the same rays."""
    model = {"name": "broad-pair"}
    common = {"schema": 1, "detector": "sbnd", "regions": ["tpc"], "decay_in": "tpc", "exposure": "1e20 POT"}
    sources: list[dict[str, Any]] = [
        {"kind": "rays", "file": str(rays[0])},
        {"kind": "beamline", "beam": "bnb", "mode": "neutrino", "particles": PARTICLES},
    ]
    found = [flux_of_card(load_card({**common, "model": model, "source": source})) for source in sources]
    assert found[0]["rows"] == found[1]["rows"]
    assert (found[0]["beam"], found[0]["mode"], found[0]["detector"]) == ("bnb", "neutrino", "sbnd")
    assert total(found[0], 14)[0] == pytest.approx(total(rays[1], 14)[0], rel=0.2)
    assert total(found[0], 14)[0] < total(rays[1], 14)[0]  # deeper in
    table = flux_of_card(load_card("sbnd"))
    assert [r["parent"] for r in table["rows"]] == ["total"] * 4
    assert total(table, 14)[0] == pytest.approx(total(found[0], 14)[0], rel=0.3)
    with pytest.raises(InputError, match="no rays"):
        flux_of_card(load_card("sbnd"), rays=Path("x.h5"))


def test_decays_that_are_left_open_are_drawn() -> None:
    """Every parent gives each of its neutrinos with the branching ratio, below the end of its spectrum."""
    parents = few(0)
    made = neutrinos_of(parents)
    assert neutrinos_of(made) is made
    branching: dict[int, dict[int, float]] = {
        211: {14: 0.999877, 12: 1.23e-4},
        -13: {-14: 1, 12: 1},
        321: {14: 0.6356 + 0.03352, 12: 0.0507},
    }
    for pdg, ratios in branching.items():
        weight = parents["weight"][parents["parent_pdg"] == pdg].sum()
        for nu, ratio in ratios.items():
            mine = (made["parent_pdg"] == pdg) & (made["nu_pdg"] == nu)
            assert made["weight"][mine].sum() == pytest.approx(weight * ratio, rel=1e-9)
            assert made["energy_star"][mine].max() <= made.mass[mine][0] / 2
    strange = ray_table(
        {**{c: [0.0] for c in ("x", "y", "z", "px", "py", "pz")}, "nu_pdg": [0], "parent_pdg": [2112], "weight": [1.0],
         "energy_star": [np.nan]}, where="test", source="test",
    )  # fmt: skip
    with pytest.raises(InputError, match="2112"):
        neutrinos_of(strange)


def test_ratios_of_a_parent_go_before_those_of_its_flavour(tmp_path: Path) -> None:
    path = tmp_path / "ratios.csv"
    path.write_text(RATIOS)
    energy = np.array([0.5, 1.5, 5.0, 0.5])
    np.testing.assert_array_equal(reweighted(few(), energy, path), [2.0, 0.25, 1.0, 1.0])
    for text, says in (
        ("E_lo_GeV,E_hi_GeV,nuebar\n0,1,2\n", "none of the rays"),
        ("E_lo_GeV,E_hi_GeV,numu\n0,1,-2\n", "zero or positive"),
        ("E_lo_GeV,numu\n0,1\n", "E_hi_GeV"),
        ("E_lo_GeV,E_hi_GeV,numu\n0,1,3e-11\n", "numbers up to 3e-11; allowed: ratios"),
        ("E_lo_GeV,E_hi_GeV,numu,nue\n0,1,1,4e9\n", "numbers up to 4e"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            reweighted(few(), energy, path)


@pytest.mark.slow
def test_a_reweighted_simulation_says_so(tmp_path: Path) -> None:
    ratios = tmp_path / "ratios.csv"
    ratios.write_text("E_lo_GeV,E_hi_GeV,numu_from_211\n0,20,3\n")
    plain = flux_of_beam("bnb", "neutrino", "sbnd", 600, rays=tmp_path / "a.h5")
    changed = flux_of_beam("bnb", "neutrino", "sbnd", 600, reweight=str(ratios))
    assert plain["reweight"] is None
    assert changed["reweight"] == str(ratios)
    for parent, factor in ((211, 3), (321, 1)):
        assert total(changed, 14, parent)[0] == pytest.approx(factor * total(plain, 14, parent)[0], rel=1e-12)


def test_rays_of_numi_have_the_bins_of_its_simulation(tmp_path: Path) -> None:
    """Not up to the hardest ray, which would give every file other bins."""
    write_rays(replace(few(), header={"beam": "numi-me"}), tmp_path / "few.h5")
    card = {
        "schema": 1, "detector": "microboone", "regions": ["tpc"], "decay_in": "tpc", "exposure": "1e20 POT",
        "model": {"name": "broad-pair"}, "source": {"kind": "rays", "file": str(tmp_path / "few.h5")},
    }  # fmt: skip
    np.testing.assert_array_equal(flux_of_card(load_card(card))["edges_GeV"], NUMI_EDGES)


def test_a_card_reweights_its_rays(tmp_path: Path) -> None:
    ratios = tmp_path / "ratios.csv"
    ratios.write_text("E_lo_GeV,E_hi_GeV,numu_from_211\n0,20,3\n")
    write_rays(few(), tmp_path / "few.h5")
    card = {
        "schema": 1, "detector": "sbnd", "regions": ["tpc"], "decay_in": "tpc", "exposure": "1e20 POT",
        "model": {"name": "broad-pair"}, "source": {"kind": "rays", "file": str(tmp_path / "few.h5")},
    }  # fmt: skip
    one, three = (flux_of_card(load_card(card, o)) for o in ({}, {"source.reweight": str(ratios)}))
    assert (one["reweight"], three["reweight"]) == (None, str(ratios))
    assert total(three, 14, 211)[0] == pytest.approx(3 * total(one, 14, 211)[0], rel=1e-12)
    assert total(three, 14, 321)[0] == pytest.approx(total(one, 14, 321)[0], rel=1e-12)
    events = [
        experiment(load_card(card, o)).fluxes.fluxes[14].integral() for o in ({}, {"source.reweight": str(ratios)})
    ]
    assert events[1] == pytest.approx(total(three, 14)[0], rel=1e-9)  # the same in the chain
    assert events[0] == pytest.approx(total(one, 14)[0], rel=1e-9)
