import numpy as np
import pytest

from darkhorn.fluxes.decay_line import ENERGY_RATIO
from darkhorn.fluxes.neutrino_spectra import Emission, emissions, semileptonic_spectrum, two_body_energy
from darkhorn.fluxes.secondary_production import nucleon_quantiles
from darkhorn.kernels.constants import (
    MASS_ELECTRON,
    MASS_KAON,
    MASS_MUON,
    MASS_NEUTRAL_KAON,
    MASS_NEUTRAL_PION,
    MASS_PION,
)


def mean(e: Emission) -> float:
    return float(np.mean(0.5 * (e.energy[1:] + e.energy[:-1])))


def test_lines() -> None:
    assert two_body_energy(MASS_PION, MASS_MUON) == pytest.approx(0.029792, rel=1e-4)
    assert two_body_energy(MASS_KAON, MASS_MUON) == pytest.approx(0.23553, rel=1e-4)
    for parent in (211, 321):
        line = emissions(parent)[0]
        assert np.ptp(line.energy) == 0


def test_muonic_over_electronic_rate() -> None:
    """Gamma(K -> pi mu nu)/Gamma(K -> pi e nu) from masses and form factors: 0.661 for K+, 0.666 for K0_L (PDG)."""
    for kaon, pion, slopes, measured in (
        (MASS_KAON, MASS_NEUTRAL_PION, (0.0297, 0.0195), 0.6608),
        (MASS_NEUTRAL_KAON, MASS_PION, (0.0282, 0.0138), 0.6664),
    ):
        electron, muon = (semileptonic_spectrum(kaon, pion, m, *slopes) for m in (MASS_ELECTRON, MASS_MUON))
        # cells are unequal: both grids have 800 x 1600 cells between their own ends
        area = []
        for spectrum, m in ((electron, MASS_ELECTRON), (muon, MASS_MUON)):
            highest = (kaon**2 + pion**2 - m**2) / (2 * kaon)
            area.append(spectrum[1].sum() * (spectrum[0][1] - spectrum[0][0]) * (highest - pion))
        assert area[1] / area[0] == pytest.approx(measured, rel=0.015)  # slopes are linear here


def test_mean_energies() -> None:
    """Against means for constant form factors, worked out apart for the decay line: within the effect of the slopes."""
    for parent, flavour in ((321, 12), (130, 12), (130, 14)):
        masses = {321: MASS_KAON, 130: MASS_NEUTRAL_KAON}
        found = next(mean(e) for e in emissions(parent) if e.pdg == flavour and np.ptp(e.energy) > 0)
        assert 2 * found / masses[parent] == pytest.approx(ENERGY_RATIO[flavour][parent], rel=0.02)


def test_muon_spectra() -> None:
    """<x> = 3/5 for nu_e and 7/10 for nu_mu; quantiles of x^3 (4 - 3x) and x^3 (2 - x)."""
    muon, electron = emissions(13)
    assert 2 * mean(electron) / MASS_MUON == pytest.approx(0.6, abs=1e-3)
    assert 2 * mean(muon) / MASS_MUON == pytest.approx(0.7, abs=1e-3)
    x = 2 * electron.energy / MASS_MUON
    np.testing.assert_allclose(x**3 * (4 - 3 * x), np.linspace(0, 1, 257), atol=1e-5)
    x = 2 * muon.energy / MASS_MUON
    np.testing.assert_allclose(x**3 * (2 - x), np.linspace(0, 1, 257), atol=1e-5)


def test_branching_ratios_and_charges() -> None:
    assert sum(e.branching for e in emissions(130) if abs(e.pdg) == 12) == pytest.approx(0.4055)
    assert {e.pdg for e in emissions(130)} == {12, -12, 14, -14}
    assert {e.pdg for e in emissions(321)} == {12, 14}
    with pytest.raises(ValueError, match="no neutrinos"):
        emissions(2212)


def test_leading_nucleons() -> None:
    """0.49 protons and 0.32 neutrons per interaction: trapezoidal sums of the tables; medians from the same."""
    for pdg, number, median in ((2212, 0.4945, 0.34), (2112, 0.3235, 0.22)):
        found, quantiles = nucleon_quantiles(pdg)
        assert found == pytest.approx(number, rel=1e-3)
        assert quantiles[128] == pytest.approx(median, abs=0.03)
        assert np.all(np.diff(quantiles) > 0)
