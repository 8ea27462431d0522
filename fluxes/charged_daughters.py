"""Charged daughters of pions and kaons that make neutrinos: branching ratios, and momenta in the rest frame.

Branching ratios: PDG, Phys. Rev. D 110 (2024) 030001. Decays to three pions are uniform over their phase space (the
slopes of the Dalitz plot are left out); K -> pi mu nu has the density of `neutrino_spectra`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.neutrino_spectra import QUANTILES, dalitz_density
from darkhorn.kernels.constants import MASS_KAON, MASS_MUON, MASS_NEUTRAL_KAON, MASS_NEUTRAL_PION, MASS_PION

Array = NDArray[np.float64]
CTAU_SHORT = 2.6844  # cm: K0_S


@dataclass(frozen=True, eq=False)
class Daughter:
    """One charged daughter of a pi+, K+ or K0_S. pdg: 211, -211 or -13, for the positive or neutral parent; number:
    mean number per decay of the parent; momentum: quantiles in its rest frame, GeV, (257,); polarised: a muon of a
    two-body decay.
    """

    name: str
    pdg: int
    number: float
    momentum: Array
    polarised: bool = False


def two_body(parent: float, a: float, b: float) -> Array:
    """The momentum of parent -> a b, as quantiles."""
    square = (parent**2 - (a + b) ** 2) * (parent**2 - (a - b) ** 2)
    return np.full(QUANTILES + 1, square**0.5 / (2 * parent))


def three_body(parent: float, one: float, a: float, b: float, n: int = 4000) -> Array:
    """Quantiles of the momentum of `one` in parent -> one a b with constant matrix element: dGamma/dm_ab = p p_a*."""
    pair = a + b + (np.arange(n) + 0.5) * (parent - one - a - b) / n
    p = _momentum(parent, one, pair)
    below = np.concatenate([[0.0], np.cumsum((p * _momentum(pair, a, b))[::-1])])
    edges = a + b + np.arange(n + 1)[::-1] * (parent - one - a - b) / n
    at: Array = _momentum(parent, one, np.interp(np.linspace(0, below[-1], QUANTILES + 1), below, edges))
    return at


def _momentum(parent: Array | float, a: float, b: Array | float) -> Array:
    square = (np.square(parent) - np.square(a + b)) * (np.square(parent) - np.square(a - b))
    return np.asarray(np.sqrt(np.maximum(square, 0.0)) / (2 * parent))


def _semileptonic_muon() -> Array:
    e_nu, e_pi, density = dalitz_density(MASS_KAON, MASS_NEUTRAL_PION, MASS_MUON, 0.0297, 0.0195)
    energy = MASS_KAON - e_nu - e_pi
    content, edges = np.histogram(energy, 400, (MASS_MUON, energy[density > 0].max()), weights=density)
    below = np.concatenate([[0.0], np.cumsum(content)])
    found = np.interp(np.linspace(0, below[-1], QUANTILES + 1), below, edges)
    return np.asarray(np.sqrt(np.maximum(found**2 - MASS_MUON**2, 0.0)))


@cache
def daughters_of(parent: int) -> tuple[Daughter, ...]:
    """Of pi+ (211), K+ (321) and K0_S (310). Charge conjugates mirror the PDG codes."""
    if parent == 321:
        tau = three_body(MASS_KAON, MASS_PION, MASS_PION, MASS_PION)
        neutral = three_body(MASS_KAON, MASS_PION, MASS_NEUTRAL_PION, MASS_NEUTRAL_PION)
        return (
            Daughter("muon", -13, 0.6356, two_body(MASS_KAON, MASS_MUON, 0.0), polarised=True),
            Daughter("muon-3", -13, 0.03352, _semileptonic_muon()),
            Daughter("pion", 211, 0.2067, two_body(MASS_KAON, MASS_PION, MASS_NEUTRAL_PION)),
            Daughter("pion-3+", 211, 2 * 0.05583, tau),
            Daughter("pion-3-", -211, 0.05583, tau),
            Daughter("pion-3-neutral", 211, 0.01760, neutral),
        )
    if parent == 310:
        pair = two_body(MASS_NEUTRAL_KAON, MASS_PION, MASS_PION)
        return Daughter("pion+", 211, 0.6920, pair), Daughter("pion-", -211, 0.6920, pair)
    if parent == 211:
        return (Daughter("muon", -13, 0.999877, two_body(MASS_PION, MASS_MUON, 0.0), polarised=True),)
    raise ValueError(f"no charged daughters of {parent}")
