"""The simple model of secondaries: leading nucleons of a proton interaction, and pions from interactions of pions.

Leading nucleons: one forward proton (0.50) or neutron (0.32) per production interaction with the spectrum in x_F that
NA49 measured in p+C at 158 GeV (Eur. Phys. J. C 73 (2013) 2364, points read off at steps of 0.1), taken to hold at 9
GeV, and p_T distributed as p_T exp(-p_T/0.26 GeV). Quasi-elastic scattering is no part of it: it deflects what
scatters.

Pions from pions at the BNB are a guess, not a fit: x = p'/p flat, p_T as p_T exp(-p_T/0.16 GeV); 0.70 pions of the
same charge and 0.35 of the other per interaction above 1 GeV/c, 0.45 and 0.12 below. Uncertain by a factor 1.5 to 2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

XF = np.linspace(0.0, 1.0, 11)
PROTON = np.array([0.93, 0.81, 0.71, 0.65, 0.58, 0.50, 0.42, 0.32, 0.22, 0.18, 0.18])
NEUTRON = np.array([0.85, 0.75, 0.56, 0.41, 0.31, 0.24, 0.20, 0.18, 0.12, 0.04, 0.0])
NUCLEONS = {2212: PROTON, 2112: NEUTRON}  # dn/dx_F
NUCLEON_PT = 0.26  # GeV
PION_PT = 0.16
SAME_CHARGE, OTHER_CHARGE = (0.70, 0.45), (0.35, 0.12)  # above, below
PION_SWITCH = 1.0  # GeV/c


class PionSpectrum(NamedTuple):
    """Pions of one charge per interaction of a pion of momentum p0: x dn/dx = soft (1 - x)^4 + flat, x = p/p0, down to
    `lowest`; p_T distributed as p_T exp(-p_T/pt), pt in GeV.
    """

    soft: float
    flat: float
    pt: float = 0.2
    lowest: float = 0.01


# Pions on carbon at 60 GeV: shapes of the yields that FTFP (Geant4) predicts, as tabulated in the public ppfx package;
# taken to scale in x. By charge: the same as that of the pion that interacts, the other.
GRAPHITE_PIONS = {True: PionSpectrum(0.72, 0.12), False: PionSpectrum(0.62, 0.05)}


def nucleon_quantiles(pdg: int, n: int = 256) -> tuple[float, NDArray[np.float64]]:
    """Number of leading nucleons per production interaction, and x_F at n + 1 equal steps of its cumulative share."""
    fine = np.linspace(0.0, 1.0, 2001)
    below = np.concatenate([[0.0], np.cumsum(np.interp(0.5 * (fine[1:] + fine[:-1]), XF, NUCLEONS[pdg])) * 0.0005])
    return float(below[-1]), np.interp(np.linspace(0, below[-1], n + 1), below, fine)
