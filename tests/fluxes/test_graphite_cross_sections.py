import numpy as np
import pytest

from darkhorn.fluxes.beam_hadrons import hadron_model
from darkhorn.fluxes.graphite_cross_sections import HIGHEST, graphite_table, production_cross_sections
from darkhorn.fluxes.hadron_cross_sections import STEP, cross_sections, quasi_elastic
from darkhorn.fluxes.secondary_production import GRAPHITE_PIONS

P = np.arange(0.2, 120.0, 0.02)


@pytest.mark.parametrize(("pdg", "nucleus"), [(p, n) for p in (211, -211) for n in ("C", "Al")])
def test_pions_on_carbon_and_aluminium(pdg: int, nucleus: str) -> None:
    """Smooth; the interaction lengths of the PDG at high momentum; C between the fits for Be and Al below."""
    production, elastic, knocked = production_cross_sections(pdg, nucleus, P)
    for column in (production, elastic, knocked):
        assert np.all(column >= 0)
        assert np.max(np.abs(np.diff(column[P > 1]))) < 0.03 * column.max()
    grams = {"C": (12.011, 117.8), "Al": (26.982, 136.7)}[nucleus]  # A, pion interaction length of the PDG (g/cm2)
    assert production[-1] == pytest.approx(grams[0] / (6.02214076e23 * grams[1]) * 1e27, rel=1e-3)
    slow = P < 8
    first, last = (cross_sections(pdg, one, P[slow])[0] for one in ("Be", "Al"))
    total = (production + knocked)[slow]
    assert np.all((total > 0.95 * np.minimum(first, last)) & (total <= 1.001 * last))
    # as strong an absorber as a black disc, and a quasi-elastic part as for protons: 10 to 16 % of the inelastic
    at = np.searchsorted(P, 6.0)
    assert 0.08 < knocked[at] / (production + knocked)[at] < 0.17


def test_quasi_elastic_fits() -> None:
    """By hand, for pi+ on Be at 8 GeV/c: 379.9 mb Breit-Wigner and the Regge part of the card of the simulation."""
    energy = np.hypot(8.0, 0.13957039) + 0.938272
    square = energy**2 - 64.0
    width = square * 0.557**2
    peak = 379.9 * width / ((1.2006**2 - square) ** 2 + width)
    regge = -2.377 - 81.84 * 8.0**-2.703 + 3.173 * np.log(8.0) ** 2
    assert quasi_elastic(211, "Be", np.array(8.0)) == pytest.approx(peak + regge, rel=1e-5)
    assert quasi_elastic(211, "Be", np.array(80.0)) == quasi_elastic(211, "Be", np.array(8.0))


def test_table() -> None:
    table = graphite_table(211, 1.75)
    assert table.shape == (round(HIGHEST / STEP) + 1, 8)
    row, p = table[round(20 / STEP)], np.array([20.0])
    per_cm = 6.02214076e23 * 1.75 / 12.011 * 1e-27
    for column, sigma in zip((0, 1, 6), production_cross_sections(211, "C", p), strict=True):
        assert row[column] == pytest.approx(per_cm * sigma[0], rel=1e-6)
    assert row[4] == pytest.approx(2.2e-3 * 1.75, rel=0.05)  # 2.2 MeV cm2/g: PDG, muons of the same beta gamma
    assert np.all(graphite_table(2112, 1.75)[:, 4:] == 0)
    assert np.all(graphite_table(-321, 1.75)[:, 6:] == 0)


def test_protons_that_interact() -> None:
    """85 % of the protons interact in the LE target, 91 % in the ME target: prototypes, and 86.7 % in FTFP (LE)."""
    for length, density, share in ((95.38, 1.78 * 94 / 95.38, 0.850), (123.3, 1.78 * 120 / 123.3, 0.91)):
        assert -np.expm1(-length / hadron_model("graphite", 120.0, density).length) == pytest.approx(share, abs=0.01)
    with pytest.raises(ValueError, match="gold"):
        hadron_model("gold", 120.0, 19.3)


def test_pions_of_pions_keep_energy() -> None:
    """Charged pions carry less than what comes in: the integral of x dn/dx over both charges."""
    x = (np.arange(10_000) + 0.5) / 10_000
    carried = [np.mean(s.soft * (1 - x) ** 4 + s.flat) for s in GRAPHITE_PIONS.values()]
    assert 0.3 < sum(carried) < 0.67
