"""The flux type, and the shipped tables against published numbers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkhorn.fluxes.tables import Flux, FluxSet, shipped_flux, shipped_names
from darkhorn.kernels.errors import InputError

PUBLISHED = json.loads(Path(__file__).with_name("published_numbers.json").read_text())
TABLES = [name.split() for name in PUBLISHED["tables"]]


@pytest.mark.parametrize(("mode", "detector"), TABLES)
@pytest.mark.parametrize("pdg", [14, -14, 12, -12])
def test_shipped_bins_agree_with_the_published_ones_to_one_per_cent(mode: str, detector: str, pdg: int) -> None:
    flux = shipped_flux("bnb", mode, detector).fluxes[pdg]
    ours = [flux.integral(low, low + 0.05) for low in PUBLISHED["bins_from_GeV"]]
    np.testing.assert_allclose(ours, PUBLISHED["tables"][f"{mode} {detector}"][str(pdg)]["bins"], rtol=0.01)


@pytest.mark.parametrize(("mode", "detector"), TABLES)
@pytest.mark.parametrize("pdg", [14, -14, 12, -12])
def test_shipped_integrals_and_means_agree_with_the_published_ones(mode: str, detector: str, pdg: int) -> None:
    flux = shipped_flux("bnb", mode, detector).fluxes[pdg]
    total, middle, mean = PUBLISHED["tables"][f"{mode} {detector}"][str(pdg)]["totals"]
    assert flux.integral() == pytest.approx(total, rel=2e-4)
    assert flux.integral(0.2, 2.0) == pytest.approx(middle, rel=2e-4)
    assert flux.mean_energy() == pytest.approx(mean, rel=1e-3)


def test_numbers_quoted_for_the_numu_flux_at_microboone() -> None:
    flux = shipped_flux("bnb", "neutrino", "microboone").fluxes[14]
    assert flux.integral() == pytest.approx(7.376e-10, rel=1e-3)
    assert flux.mean_energy() == pytest.approx(0.823, abs=1e-3)
    wide = flux.rebin(np.linspace(0, 7.5, 151))
    peak = int(np.argmax(wide.content))
    assert (wide.edges[peak] + wide.edges[peak + 1]) / 2 == pytest.approx(0.575)


def test_the_flux_near_the_source_is_that_of_sbnd() -> None:
    sbnd = shipped_flux("bnb", "neutrino", "sbnd").fluxes[14]
    miniboone = shipped_flux("bnb", "neutrino", "miniboone").fluxes[14]
    assert sbnd.integral(0, 3) / miniboone.integral(0, 3) == pytest.approx(30.2, rel=0.01)


def test_extrapolated_flux_says_so_and_is_the_other_mode_seen_from_nearer() -> None:
    here, there = (shipped_flux("bnb", "antineutrino", detector) for detector in ("microboone", "miniboone"))
    assert "EXTRAPOLATION" in here.source
    assert "EXTRAPOLATION" not in there.source
    neutrino = [shipped_flux("bnb", "neutrino", d).fluxes[14] for d in ("microboone", "miniboone")]
    for low in (0.2, 0.6, 1.0, 1.4, 1.8):  # right sign for right sign, energy by energy
        ratio = here.fluxes[-14].integral(low, low + 0.2) / there.fluxes[-14].integral(low, low + 0.2)
        expected = neutrino[0].integral(low, low + 0.2) / neutrino[1].integral(low, low + 0.2)
        assert ratio == pytest.approx(expected, rel=0.015)


def test_flux_at_icarus_is_that_of_the_neighbours_from_further_away() -> None:
    """0.832 times MiniBooNE in an independent simulation of the beam; the MicroBooNE table alone is 3 % uncertain."""
    here, mini, micro = (shipped_flux("bnb", "neutrino", d) for d in ("icarus", "miniboone", "microboone"))
    assert "EXTRAPOLATION" in here.source
    assert here.fluxes[14].integral() / mini.fluxes[14].integral() == pytest.approx(0.832, rel=0.02)
    for pdg in (14, -14, 12):  # between the ratios of the squares of the distances to the start and the end of the pipe
        ratio = here.fluxes[pdg].integral(0.2, 0.8) / micro.fluxes[pdg].integral(0.2, 0.8)
        assert (46854.75 - 5031) ** 2 / (60000 - 5031) ** 2 < ratio < (46854.75 / 60000) ** 2


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_curve_is_sane_from_zero_energy_to_its_end(name: str) -> None:
    table = shipped_flux(*name.split("-"))
    assert (table.name, table.beam) == (name, "bnb")
    assert set(table.fluxes) == {14, -14, 12, -12}
    for flux in table.fluxes.values():
        assert flux.edges[0] == 0
        np.testing.assert_allclose(np.diff(flux.edges), 0.01)
        assert (flux.content > 0).all()
        assert (np.diff(flux.content[:6]) > 0).all()  # rises from zero below the first published bin
        assert flux.content[0] < 0.5 * flux.content[:5].mean()
        steps = np.abs(np.diff(np.log(flux.content[5:300])))
        assert steps.max() < 0.4


def test_header_form_holds_the_numbers() -> None:
    table = shipped_flux("bnb", "neutrino", "miniboone")
    stored = table.to_json()["-12"]
    np.testing.assert_array_equal(stored["content"], table.fluxes[-12].content)
    assert len(stored["edges_GeV"]) == len(stored["content"]) + 1


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        (("bnbb", "neutrino", "microboone"), "Did you mean `bnb`"),
        (("bnb", "neutrinos", "microboone"), "`neutrino`"),
        (("bnb", "neutrino", "microbone"), "Did you mean `microboone`"),
        (("bnb", "antineutrino", "sbnd"), "microboone, miniboone"),
    ],
)
def test_unknown_names_are_refused_with_a_hint(asked: tuple[str, str, str], hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        shipped_flux(*asked)


def test_loading_a_flux_does_not_import_jax() -> None:
    code = (
        "import sys; from darkhorn.fluxes.tables import shipped_flux; import darkhorn.fluxes.readers;"
        "import darkhorn.fluxes.decay_line;"
        "shipped_flux('bnb', 'neutrino', 'microboone'); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("pdg", "edges", "content", "found"),
    [
        (13, [0, 1], [1], "13"),
        (14, [0, 1, 2], [1], "shape"),
        (14, [0, 1], [[1]], "shape"),
        (14, [0], [], "shape"),
        (14, [0, 1, 1], [1, 1], "edges 0, 1, 1"),
        (14, [1, 0], [1], "increasing"),
        (14, [-1, 1], [1], "edges -1"),
        (14, [0, np.inf], [1], "finite edges"),
        (14, [0, 1, 2], [1, -2], "-2 in the bin from 1 to 2"),
        (14, [0, 1, 2], [np.nan, 1], "nan in the bin"),
        (14, [0, 1], [0], "zero flux"),
        (14, [0, 1, 2], [1.7e308, 1.7e308], "sum of inf"),
        (14, ["a", "b"], [1], "no numbers"),
    ],
)
def test_bad_bins_are_refused(pdg: int, edges: list[float], content: list[float], found: str) -> None:
    with pytest.raises(InputError, match=found):
        Flux.from_bins(pdg, edges, content)


def test_a_flux_cannot_be_changed() -> None:
    given_content = np.ones(2)
    flux = Flux.from_bins(14, [0, 1, 2], given_content)
    given_content[0] = 5
    assert flux.content[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        flux.content[0] = 2


bins = st.lists(st.tuples(st.floats(0.01, 1), st.floats(1e-3, 10)), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(bins, st.lists(st.floats(0.02, 1), max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_rebinning_keeps_the_integral(table: list[tuple[float, float]], cuts: list[float], a: float, b: float) -> None:
    widths, content = zip(*table, strict=True)
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    flux = Flux.from_bins(14, edges, content)
    top = edges[-1]
    inner = sorted({round(cut, 3) for cut in cuts if cut < 0.999})
    new = flux.rebin([0.0, *(cut * top for cut in inner), top + 1])
    assert new.integral() == pytest.approx(sum(content), rel=1e-12)
    low, high = sorted((a * top, b * top))
    assert flux.integral(0, low) + flux.integral(low, high) + flux.integral(high) == pytest.approx(
        sum(content), rel=1e-12
    )


def test_rebinning_shares_a_bin_evenly_and_drops_what_is_outside() -> None:
    flux = Flux.from_bins(12, [1, 2, 4], [3, 8])
    np.testing.assert_allclose(flux.rebin([0, 1.5, 3, 3.5]).content, [1.5, 1.5 + 4, 2])
    assert flux.integral(1.5, 2.5) == pytest.approx(1.5 + 2)
    with pytest.raises(InputError, match="zero flux"):
        flux.rebin([5, 6])
    with pytest.raises(InputError, match="2 or more"):
        flux.rebin([5])
    with pytest.raises(InputError, match="increasing order"):
        flux.integral(2, 1)


def test_flux_sets_keep_what_they_are_given() -> None:
    flux = Flux.from_bins(12, [1, 2], [3])
    assert FluxSet("a", "b", "c", "d", "e", {12: flux}).fluxes[12] is flux
