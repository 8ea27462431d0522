"""Muons and pions that come to rest in the steel and concrete about a decay region: tables in momentum.

With f = dp/ds the mean loss of momentum per length (Bethe), a particle of momentum p has on its way to rest

    range R(p) = int dp'/f,   expected ends N(p) = int rate(p') dp'/f,
    variance of the angle projected on a plane V(p) = int [13.6 MeV/(beta p')]^2 dp'/(X0 f)
    time t(p) = int dp'/(beta c f)

from p_min to p, so that differences hold between two momenta. The rate of ends per length is m/(p c tau), decays, for a
muon, and that of inelastic interactions for a pion, which hardly ever decays there. Source: PDG Review, "Passage of
particles through matter"; the logarithm of the formula of Highland is left out, as it must be for a sum of thin layers.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.decay_line import CTAU_CM
from darkhorn.fluxes.hadron_cross_sections import MASSES, interaction_lengths
from darkhorn.kernels.constants import MASS_MUON, SPEED_OF_LIGHT
from darkhorn.kernels.matter import ALUMINIUM, CONCRETE, HIGHLAND, IRON, Stopping, energy_loss

Array = NDArray[np.float64]
SLOWEST, FASTEST, NODES = 0.02, 12.0, 600  # GeV/c
# material, radiation length (cm; PDG tables of materials), mass number (of concrete: the mean by mass)
MATERIALS = {"steel": (IRON, 13.84 / 7.874, 55.845), "concrete": (CONCRETE, 26.57 / 2.3, 20.3)}


class Passage(NamedTuple):
    """Columns at the nodes of ln p: momentum (GeV), range (cm), expected ends, variance of the angle (rad^2), time to
    rest (ns).
    """

    momentum: Array
    distance: Array
    ends: Array
    variance: Array
    time: Array


@cache
def passage(pdg: int, name: str) -> Passage:
    """The table of mu (13), pi+ (211) or pi- in "steel" or "concrete" from 0.02 to 12 GeV/c.

    Accuracy of the sums: 1e-4; of the interactions of pions, those on aluminium scaled by A^(2/3) per nucleus: 10 %.
    """
    material, radiation_length, mass_number = MATERIALS[name]
    if abs(pdg) == 13:
        return made_passage(material, radiation_length, MASS_MUON, lambda p: MASS_MUON / (p * CTAU_CM[13]))
    scale = material.density / ALUMINIUM.density * (26.98 / mass_number) ** (1 / 3)
    return made_passage(material, radiation_length, MASSES[pdg], lambda p: scale * interaction_lengths(pdg, "Al", p)[0])


def made_passage(material: Stopping, radiation_length: float, mass: float, rate: Callable[[Array], Array]) -> Passage:
    """The same for any particle and rate (1/cm): Simpson's rule on every cell in ln p."""
    log = np.linspace(np.log(SLOWEST), np.log(FASTEST), NODES)
    p = np.exp(np.linspace(log[0], log[-1], 2 * NODES - 1))
    energy = np.hypot(p, mass)
    loss = np.asarray(energy_loss(jnp.asarray(p), mass, material)) * energy / p
    per_log = p / loss
    angle = (HIGHLAND * energy / p**2) ** 2 / radiation_length
    parts = [factor * per_log for factor in (1.0, rate(p), angle, energy / (p * SPEED_OF_LIGHT))]
    width = (log[1] - log[0]) / 6
    sums = [np.concatenate([[0.0], np.cumsum(width * (f[:-2:2] + 4 * f[1:-1:2] + f[2::2]))]) for f in parts]
    return Passage(np.exp(log), *sums)
