"""Neutrinos of meson and muon decays in the rest frame: branching ratios and energy spectra.

Branching ratios: PDG, Phys. Rev. D 110 (2024) 030001. Spectra are given as quantiles, which a device inverts by linear
interpolation.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from darkhorn.kernels.constants import (
    MASS_ELECTRON,
    MASS_KAON,
    MASS_MUON,
    MASS_NEUTRAL_KAON,
    MASS_NEUTRAL_PION,
    MASS_PION,
)

Array = NDArray[np.float64]
QUANTILES = 256


@dataclass(frozen=True, eq=False)
class Emission:
    """One neutrino of one decay. pdg: of the neutrino, for a parent of positive charge (mu+, pi+, K+) or a K0_L;
    energy: quantiles of its energy in the rest frame, GeV, (257,); polarised: "", or the flavour ("e", "mu") of a
    neutrino of a polarised muon.
    """

    pdg: int
    branching: float
    energy: Array
    polarised: str = ""


def two_body_energy(parent: float, lepton: float) -> float:
    """(M^2 - m^2)/(2 M), GeV."""
    return (parent * parent - lepton * lepton) / (2 * parent)


def _quantiles(energy: Array, density: Array) -> Array:
    """Quantiles of a density given at the middles of equal cells from 0 to energy[-1] + half a cell."""
    width = energy[1] - energy[0]
    edges = np.concatenate([[0.0], energy + width / 2])
    below = np.concatenate([[0.0], np.cumsum(density)])
    found: Array = np.interp(np.linspace(0, below[-1], QUANTILES + 1), below, edges)
    return found


def semileptonic_spectrum(
    parent: float, pion: float, lepton: float, slope: float, slope0: float, n: int = 800
) -> Array:
    """dGamma/dE_nu of K -> pi l nu at n middles of equal cells from 0 to the largest E_nu; not normalised. (2, n)."""
    e_nu, _, density = dalitz_density(parent, pion, lepton, slope, slope0, n)
    return np.stack([e_nu[:, 0], np.sum(density, axis=1)])


def dalitz_density(
    parent: float, pion: float, lepton: float, slope: float, slope0: float, n: int = 800
) -> tuple[Array, Array, Array]:
    """E_nu, E_pi and the density of K -> pi l nu in them, on n x 2n middles of equal cells; not normalised.

    Dalitz density f_+^2(t) [A + B xi + C xi^2] with A = M (2 E_l E_nu - M E'), + m_l^2 (E'/4 - E_nu),
    B = m_l^2 (E_nu - E'/2), C = m_l^2 E'/4, E' = (M^2 + m_pi^2 - m_l^2)/(2M) - E_pi, t = M^2 + m_pi^2 - 2 M E_pi,
    f_+ = 1 + slope t/m_pi+^2, xi = (slope0 - slope) (M^2 - m_pi^2)/m_pi+^2. Source: PDG Review, "K_l3 form factors";
    L.M. Chounet et al., Phys. Rep. 4 (1972) 199.
    """
    top = (parent * parent - (pion + lepton) ** 2) / (2 * parent)
    highest = (parent * parent + pion * pion - lepton * lepton) / (2 * parent)
    nu = (np.arange(n) + 0.5) * top / n
    pi = pion + (np.arange(2 * n) + 0.5) * (highest - pion) / (2 * n)
    e_nu, e_pi = np.meshgrid(nu, pi, indexing="ij")
    e_l = parent - e_pi - e_nu
    p_pi = np.sqrt(e_pi**2 - pion**2)
    p_l = np.sqrt(np.maximum(e_l**2 - lepton**2, 0.0))
    allowed = (e_l > lepton) & (np.abs(p_pi - p_l) <= e_nu) & (e_nu <= p_pi + p_l)
    rest = highest - e_pi
    square = lepton * lepton
    t = parent**2 + pion**2 - 2 * parent * e_pi
    form = 1 + slope * t / MASS_PION**2
    xi = (slope0 - slope) * (parent**2 - pion**2) / MASS_PION**2
    density = parent * (2 * e_l * e_nu - parent * rest) + square * (rest / 4 - e_nu)
    density = density + square * (e_nu - rest / 2) * xi + square * rest / 4 * xi * xi
    return e_nu, e_pi, np.where(allowed, form * form * density, 0.0)


# PDG 2024, linear parametrisations of the form factors: (slope, slope0) of K+ and K0_L
_FORM_FACTORS = {MASS_KAON: (0.0297, 0.0195), MASS_NEUTRAL_KAON: (0.0282, 0.0138)}


def _semileptonic(parent: float, pion: float, lepton: float) -> Array:
    return _quantiles(*semileptonic_spectrum(parent, pion, lepton, *_FORM_FACTORS[parent]))


def _michel(flavour: str) -> Array:
    """Energy quantiles of mu -> e nu nu: x = 2E/m with 12 x^2 (1 - x) for nu_e, 2 x^2 (3 - 2x) for nu_mu."""
    x = (np.arange(2000) + 0.5) / 2000
    density = 12 * x**2 * (1 - x) if flavour == "e" else 2 * x**2 * (3 - 2 * x)
    return _quantiles(x * MASS_MUON / 2, density)


@cache
def emissions(parent: int) -> tuple[Emission, ...]:
    """Neutrinos of pi (211), K+ (321), K0_L (130) and mu (13, meaning mu+). Charge conjugates mirror the PDG codes."""

    def line(mass: float, lepton: float) -> Array:
        return np.full(QUANTILES + 1, two_body_energy(mass, lepton))

    if parent == 211:
        return (
            Emission(14, 0.999877, line(MASS_PION, MASS_MUON)),
            Emission(12, 1.230e-4, line(MASS_PION, MASS_ELECTRON)),
        )
    if parent == 321:
        return (
            Emission(14, 0.6356, line(MASS_KAON, MASS_MUON)),
            Emission(12, 0.0507, _semileptonic(MASS_KAON, MASS_NEUTRAL_PION, MASS_ELECTRON)),
            Emission(14, 0.03352, _semileptonic(MASS_KAON, MASS_NEUTRAL_PION, MASS_MUON)),
        )
    if parent == 130:
        electron = _semileptonic(MASS_NEUTRAL_KAON, MASS_PION, MASS_ELECTRON)
        muon = _semileptonic(MASS_NEUTRAL_KAON, MASS_PION, MASS_MUON)
        return tuple(
            Emission(sign * pdg, branching / 2, energy)
            for pdg, branching, energy in ((12, 0.4055, electron), (14, 0.2704, muon))
            for sign in (1, -1)
        )
    if parent == 13:
        return Emission(-14, 1.0, _michel("mu"), "mu"), Emission(12, 1.0, _michel("e"), "e")
    raise ValueError(f"no neutrinos of {parent}")
