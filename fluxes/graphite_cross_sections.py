"""Cross-sections of hadrons on graphite and on the aluminium of the horns, 0.2 to 120 GeV/c, for the NuMI beam.

As in the tables of the BNB these are production cross-sections: a quasi-elastic interaction knocks a nucleon out and
leaves the hadron with nearly its momentum, so it deflects, and does not absorb.

Pions, below 8 GeV/c: fits of the simulation of the BNB for Be and Al, taken to C by the power of A that joins the two;
above 15 GeV/c the interaction lengths of the PDG, 117.8 (C) and 136.7 g/cm2 (Al), that is 169 and 328 mb, with the
quasi-elastic and elastic cross-sections of 8 GeV/c; a straight line between. Protons and neutrons: 226.3 mb on C, NA49,
Eur. Phys. J. C 49 (2007) 897 (hep-ex/0606028), and the PDG's 107.2 g/cm2 for Al (418 mb). Kaons: rough numbers, see
`_KAON`. Accuracy: pions and protons 5 %, kaons 10 to 20 %.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.hadron_cross_sections import CHARGES, MASSES, STEP, cross_sections, quasi_elastic
from darkhorn.kernels.constants import AVOGADRO
from darkhorn.kernels.matter import ALUMINIUM, GRAPHITE, energy_loss

Array = NDArray[np.float64]
HIGHEST = 120.0  # GeV/c
PROTON_ON_CARBON = 226.3  # mb
MASS_NUMBER = {"Be": 9.012, "C": 12.011, "Al": 26.982}
_DENSITY_ALUMINIUM = 2.699
_FITS_END, _CONSTANT_FROM = 8.0, 15.0  # GeV/c

_PION = {"C": 169.3, "Al": 327.8}  # mb: A/(N_A lambda)
_NUCLEON = {"C": PROTON_ON_CARBON, "Al": 418.0}
# K+ as in studies of NuMI; K- as pions; K0 between the two
_KAON = {321: {"C": 152.0, "Al": 300.0}, -321: {"C": 170.0, "Al": 330.0}, 130: {"C": 160.0, "Al": 315.0}}


def _to_carbon(beryllium: Array, aluminium: Array) -> Array:
    """sigma_Be (12.011/9.012)^k with the k that joins Be and Al."""
    step = np.log(MASS_NUMBER["C"] / MASS_NUMBER["Be"]) / np.log(MASS_NUMBER["Al"] / MASS_NUMBER["Be"])
    carbon: Array = beryllium ** (1 - step) * aluminium**step
    return carbon


def production_cross_sections(pdg: int, nucleus: str, momentum: Array) -> tuple[Array, Array, Array]:
    """Production, elastic and quasi-elastic cross-section in mb of a hadron on "C" or "Al"; momentum in GeV/c, (n,).

    Elastic and quasi-elastic are zero for nucleons and kaons. Particles: those of `hadron_cross_sections.MASSES`.
    """
    p = np.asarray(momentum, np.float64)
    none = np.zeros(p.shape)
    if abs(pdg) != 211:
        constant = _NUCLEON[nucleus] if pdg in (2212, 2112) else _KAON[pdg][nucleus]
        return np.full(p.shape, constant), none, none
    at = np.minimum(p, _FITS_END)
    found = {}
    for one in ("Be", "Al"):
        inelastic, elastic = cross_sections(pdg, one, at)
        knocked = quasi_elastic(pdg, one, at)
        found[one] = (inelastic - knocked, elastic, knocked)
    if nucleus == "C":
        pairs = zip(found["Be"], found["Al"], strict=True)
        production, elastic, knocked = (_to_carbon(np.maximum(a, 1e-6), np.maximum(b, 1e-6)) for a, b in pairs)
    else:
        production, elastic, knocked = found["Al"]
    fast = np.clip((p - _FITS_END) / (_CONSTANT_FROM - _FITS_END), 0.0, 1.0)
    return (1 - fast) * production + fast * _PION[nucleus], elastic, knocked


@cache
def graphite_table(pdg: int, density: float) -> Array:
    """Rows at p = 0, 0.005, ..., 120 GeV/c, as `hadron_cross_sections.matter_table`, with two columns more: production
    and elastic interactions per cm in graphite of a density (g/cm3), the same in Al, momentum lost per cm (GeV/c) in
    graphite, in Al, and quasi-elastic interactions per cm in both. Shape (24001, 8).
    """
    p: Array = STEP * np.arange(round(HIGHEST / STEP) + 1, dtype=np.float64)
    slow = np.maximum(p, 0.05)
    columns, knocked = [], []
    for nucleus, grams in (("C", density), ("Al", _DENSITY_ALUMINIUM)):
        per_cm = AVOGADRO * grams / MASS_NUMBER[nucleus] * 1e-27
        production, elastic, quasi = production_cross_sections(pdg, nucleus, p)
        columns += [per_cm * production, per_cm * elastic]
        knocked.append(per_cm * quasi)
    mass = MASSES[pdg]
    for material in (GRAPHITE._replace(density=density), ALUMINIUM):
        loss = np.asarray(energy_loss(jnp.asarray(slow), mass, material)) * np.hypot(slow, mass) / slow
        columns.append(loss * abs(CHARGES[pdg]))
    table: Array = np.stack([*columns, *knocked], axis=1)
    return table
