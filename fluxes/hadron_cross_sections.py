"""Cross-sections of beam particles on beryllium and aluminium: coefficients, and tables for the device."""

from functools import cache

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.kernels.constants import AVOGADRO, MASS_KAON, MASS_NEUTRAL_KAON, MASS_NEUTRON, MASS_PION, MASS_PROTON
from darkhorn.kernels.hadron_nucleus import Regge, Resonance, regge, resonance, slow_pion_total
from darkhorn.kernels.matter import ALUMINIUM, BERYLLIUM, energy_loss

Array = NDArray[np.float64]

# G4BNB, input/production.in; pions: (resonance, Regge with threshold) for inelastic, (switch, Regge) for total
_NUCLEON = {
    "Be": (Regge(-126.08, 420.02, -0.579, -6.802, 115.47), Regge(307.8, 0.897, 3.04e-4, -2.598, -4.973)),
    "Al": (Regge(470.94, -0.259, 2.429, 48.86, -87.18), Regge(760.3, -0.056, 2.485, 6.172, -41.60)),
}
_PION = {
    (211, "Be"): (
        Resonance(850.6, 1.2006, 0.3752),
        Regge(162.32, -99.89, -2.406, -0.4202, 0.0, 0.400, 5.142),
        (0.6, Regge(237.6, 111.29, -4.186, -9.792, 0.0, 0.8138, 3.418)),
    ),
    (211, "Al"): (
        Resonance(510.6, 1.1888, 0.185),
        Regge(1545.7, -1117.7, 0.0565, 14.37, 0.0, 0.295, 2.3067),
        (0.8, Regge(574.9, 642.63, -4.548, -19.98, 0.0, 0.9741, 3.585)),
    ),
    (-211, "Be"): (
        Resonance(371.5, 1.2006, 0.2327),
        Regge(92.66, 112.2, -0.4861, 7.500, 0.0, 0.600, 2.874),
        (0.6, Regge(226.93, 135.32, -2.826, -7.484, 0.0, 0.8579, 2.4738)),
    ),
    (-211, "Al"): (
        Resonance(446.8, 1.1888, 0.305),
        Regge(997.8, -457.8, 0.611, 233.4, 0.0, 0.706, 1.685),
        (0.8, Regge(572.8, 646.25, -4.473, -19.73, 0.0, 0.9808, 3.503)),
    ),
}
# G4BNB, input/production.in: quasi-elastic part of the inelastic cross-section
_QUASI_ELASTIC_NUCLEON = {
    "Be": Regge(-550.7, 675.6, -0.168, 8.247, 35.65),
    "Al": Regge(264.50, 0.0, -0.9136, 32.24, -155.80),
}
_QUASI_ELASTIC_PION = {
    (211, "Be"): (Resonance(379.9, 1.2006, 0.557), Regge(-2.377, -81.84, -2.703, 3.173, 0.0, 0.634, 3.784)),
    (211, "Al"): (Resonance(229.4, 1.1888, 0.1886), Regge(40.38, 89.20, -1.574, 0.335, 0.0, 0.698, 2.134)),
    (-211, "Be"): (Resonance(188.97, 1.2006, 0.1851), Regge(-1.559, 46.41, -0.633, 1.874, 0.0, 0.626, 2.504)),
    (-211, "Al"): (Resonance(129.12, 1.1888, 0.305), Regge(32.52, 85.15, -1.225, 1.383, 0.0, 0.633, 2.199)),
}
# A rough number: no fit of kaons is public there. K+ inelastic on C 152 mb and Al 300 mb as in studies of NuMI, brought
# to Be by A^0.76; K0 between K+ and K-, taken as pions on Be (160 mb) and Al (330 mb); no elastic scattering.
# K- such that K0 is the mean of K+ and K-.
_KAON = {
    321: {"Be": 122.0, "Al": 300.0},
    -321: {"Be": 158.0, "Al": 360.0},
    130: {"Be": 140.0, "Al": 330.0},
}
_NUCLEI = {"Be": (9.0121831, 1.848, 9.0, 3.12, 0.0025), "Al": (26.9815384, 2.699, 27.0, 3.76, 0.015 * 27.0 ** (-2 / 3))}

LOWEST = 0.2  # GeV/c: fits are held constant below, where they were never meant
LOWEST_NUCLEON = 2.0
STEP, HIGHEST = 0.005, 10.0
_QUASI_ELASTIC_TO = 8.0  # GeV/c: the fits for pions are held constant above
MASSES = {
    211: MASS_PION,
    -211: MASS_PION,
    321: MASS_KAON,
    -321: MASS_KAON,
    130: MASS_NEUTRAL_KAON,
    2212: MASS_PROTON,
    2112: MASS_NEUTRON,
}
CHARGES = {211: 1.0, -211: -1.0, 321: 1.0, -321: -1.0, 130: 0.0, 2212: 1.0, 2112: 0.0}


def cross_sections(pdg: int, nucleus: str, momentum: Array) -> tuple[Array, Array]:
    """Inelastic (with quasi-elastic) and elastic cross-section in mb of a particle on "Be" or "Al"; p in GeV/c, (n,).

    Elastic is total minus inelastic, not below 0. Particles: those of `MASSES`.
    """
    # slow nucleons: the fits start at 2 GeV/c
    p = jnp.maximum(jnp.asarray(momentum, jnp.float64), LOWEST_NUCLEON if pdg in (2212, 2112) else LOWEST)
    if pdg in _KAON:
        return np.full(p.shape, _KAON[pdg][nucleus]), np.zeros(p.shape)
    if pdg in (2212, 2112):
        inelastic_fit, total_fit = _NUCLEON[nucleus]
        inelastic, total = regge(p, inelastic_fit), regge(p, total_fit)
    else:
        peak, high, (switch, total_high) = _PION[pdg, nucleus]
        _, _, mass_number, radius, spacing = _NUCLEI[nucleus]
        inelastic = resonance(p, peak) + regge(p, high)
        total = jnp.where(p < switch, slow_pion_total(p, mass_number, radius, spacing), regge(p, total_high))
    return np.asarray(inelastic), np.asarray(jnp.maximum(total - inelastic, 0.0))


def quasi_elastic(pdg: int, nucleus: str, momentum: Array) -> Array:
    """Quasi-elastic cross-section in mb, a part of the inelastic one, at most half of it; 0 for kaons. Arguments as for
    `cross_sections`.
    """
    p = np.asarray(momentum, np.float64)
    if pdg in _KAON:
        return np.zeros(p.shape)
    if pdg in (2212, 2112):
        knocked = regge(jnp.maximum(p, LOWEST_NUCLEON), _QUASI_ELASTIC_NUCLEON[nucleus])
    else:
        peak, high = _QUASI_ELASTIC_PION[pdg, nucleus]
        at = jnp.clip(p, LOWEST, _QUASI_ELASTIC_TO)
        knocked = resonance(at, peak) + regge(at, high)
    found: Array = np.clip(np.asarray(knocked), 0.0, 0.5 * cross_sections(pdg, nucleus, p)[0])
    return found


def interaction_lengths(pdg: int, nucleus: str, momentum: Array) -> tuple[Array, Array, Array]:
    """Interactions per cm in solid Be or Al: those that produce something (inelastic, less quasi-elastic), elastic, and
    quasi-elastic ones.
    """
    mass, density, *_ = _NUCLEI[nucleus]
    per_cm = AVOGADRO * density / mass * 1e-27
    inelastic, elastic = cross_sections(pdg, nucleus, momentum)
    knocked = quasi_elastic(pdg, nucleus, momentum)
    return per_cm * (inelastic - knocked), per_cm * elastic, per_cm * knocked


@cache
def matter_table(pdg: int) -> Array:
    """Rows at p = 0, 0.005, ..., 10 GeV/c: production and elastic interactions per cm in Be, the same in Al, momentum
    lost per cm (GeV/c) in Be, in Al, quasi-elastic interactions per cm in Be, in Al. Shape (2001, 8).
    """
    p: Array = STEP * np.arange(round(HIGHEST / STEP) + 1, dtype=np.float64)
    slow = np.maximum(p, 0.05)
    *beryllium, knocked = interaction_lengths(pdg, "Be", p)
    *aluminium, knocked_aluminium = interaction_lengths(pdg, "Al", p)
    columns = [*beryllium, *aluminium]
    mass = MASSES[pdg]
    for material in (BERYLLIUM, ALUMINIUM):
        loss = np.asarray(energy_loss(jnp.asarray(slow), mass, material)) * np.hypot(slow, mass) / slow
        columns.append(loss * abs(CHARGES[pdg]))
    table: Array = np.stack([*columns, knocked, knocked_aluminium], axis=1)
    return table
