"""Coefficients of meson production on the targets of the beams, with sources and the range they were fitted in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from darkhorn.kernels.constants import (
    MASS_ETA,
    MASS_KAON,
    MASS_LAMBDA,
    MASS_NEUTRAL_KAON,
    MASS_NEUTRAL_PION,
    MASS_NEUTRON,
    MASS_PION,
    MASS_PROTON,
)
from darkhorn.kernels.production.bmpt import Bmpt
from darkhorn.kernels.production.feynman_scaling import FeynmanScaling
from darkhorn.kernels.production.sanford_wang import SanfordWang


class NeutralKaon(NamedTuple):
    """K0_L made as (K+ + 3 K-)/4; see `kernels.production.bmpt.neutral_kaon`."""

    positive: Bmpt
    negative: Bmpt


class NeutralPion(NamedTuple):
    """pi0 made as (pi+ + pi-)/2 at the same momentum and angle, as isospin has it for a target of as many protons as
    neutrons and as measured in pp at high energies.
    """

    positive: SanfordWang | Bmpt
    negative: SanfordWang | Bmpt


@dataclass(frozen=True)
class Production:
    """One produced species: the density, how it is normalised, and where it rests on data.

    pdg         of the meson
    density     coefficients; their type says which formula
    mass        of the meson; recoil: mass of the lightest system with it, for formulas that need one (GeV)
    fitted      ranges of momentum (GeV/c) and angle (rad) of the data; None where no such box describes them. Outside,
                and everywhere with None, an event is an extrapolation and is marked as one.
    mass_number of the nucleus, for BMPT
    """

    pdg: int
    density: SanfordWang | FeynmanScaling | Bmpt | NeutralKaon | NeutralPion
    mass: float
    source: str
    fitted: tuple[tuple[float, float], tuple[float, float]] | None = None
    recoil: float = 0.0
    mass_number: float = 9.012


_MINIBOONE = "MiniBooNE, Phys. Rev. D 79 (2009) 072002 (0806.1449), as in the public G4BNB simulation"
_HARP = ((0.75, 6.5), (0.030, 0.210))  # HARP, Eur. Phys. J. C 52 (2007) 29 (hep-ex/0702024)

# K-: fitted by this project to the yields of MARS15 for 8 GeV protons on Be, as tabulated in G4BNB (MARSData.hh, mb per
# GeV^2 in p_z and p_T, 180 points): each p_z from 0.9 to 4.7 GeV/c within 10 %, summed over p_T; 20 to 70 % too few
# below, 10 % too few in all. No measurement is behind it; the simulation of MiniBooNE takes the same table.
_KAON_MINUS = FeynmanScaling(2.340, 3.045, 4.652, 1.144, 6.042, 0.483, -3.285, 3.182)

# Protons of 8.89 GeV/c on beryllium. A K0_S and a K0_L are made equally often.
BERYLLIUM = {
    211: Production(
        211, SanfordWang(220.7, 1.080, 1.000, 1.978, 1.32, 5.572, 0.08678, 9.686, 1.0), MASS_PION, _MINIBOONE, _HARP
    ),
    -211: Production(
        -211,
        SanfordWang(213.66, 0.93785, 5.4537, 1.2096, 1.2836, 4.7807, 0.073383, 8.3294, 1.0),
        MASS_PION,
        _MINIBOONE + ", Table VI",
        _HARP,
    ),
    321: Production(
        321,
        FeynmanScaling(11.70, 0.88, 4.77, 1.51, 2.21, 2.17, 1.51, 0.0),
        MASS_KAON,
        _MINIBOONE,
        recoil=MASS_PROTON + MASS_LAMBDA,
    ),
    -321: Production(
        -321,
        _KAON_MINUS,
        MASS_KAON,
        "fit to MARS15 as tabulated in the public G4BNB simulation",
        recoil=2 * MASS_PROTON + MASS_KAON,
    ),
    130: Production(
        130,
        SanfordWang(15.130, 1.975, 4.084, 0.9277, 0.7306, 4.362, 0.04789, 13.300, 1.278),
        MASS_NEUTRAL_KAON,
        _MINIBOONE + " (K0_S)",
    ),
}

_BONESINI = "M. Bonesini et al., Eur. Phys. J. C 20 (2001) 13 (hep-ph/0101163)"
_PION = (62.3, 1.57, 3.45, 0.517, 6.10, 0.153, 0.478)
_KAON = (7.74, 0.0, 2.45, 0.444, 5.04, 0.121, 0.242)

_POSITIVE_KAON = Bmpt(*_KAON, 1.0, 0.0, -1.0, MASS_KAON, MASS_PROTON + MASS_LAMBDA)
_NEGATIVE_KAON = Bmpt(*_KAON, 1.15, -3.17, -1.0, MASS_KAON, 2 * MASS_PROTON + MASS_KAON)

# Protons of tens to hundreds of GeV on light nuclei.
BMPT = {
    211: Production(211, Bmpt(*_PION, 1.0, 0.0, 1.0, MASS_PION, MASS_PROTON + MASS_NEUTRON), MASS_PION, _BONESINI),
    -211: Production(-211, Bmpt(*_PION, 1.05, 2.65, 1.0, MASS_PION, 2 * MASS_PROTON + MASS_PION), MASS_PION, _BONESINI),
    321: Production(321, _POSITIVE_KAON, MASS_KAON, _BONESINI),
    -321: Production(-321, _NEGATIVE_KAON, MASS_KAON, _BONESINI),
    130: Production(130, NeutralKaon(_POSITIVE_KAON, _NEGATIVE_KAON), MASS_NEUTRAL_KAON, _BONESINI),
}
GRAPHITE = {pdg: replace(made, mass_number=12.011) for pdg, made in BMPT.items()}


def _neutral(charged: Mapping[int, Production]) -> dict[int, Production]:
    """pi0 as the mean of pi+ and pi-. eta with the momenta and angles of K0, which has nearly its mass; how many eta
    are made per pi0 is a number of its own (`ETA_PER_PI0`). Both conventions are those of the public code BdNMC:
    P. deNiverville et al., Phys. Rev. D 95 (2017) 035006 (1609.01770); MiniBooNE-DM, Phys. Rev. D 98 (2018) 112004
    (1807.06137).
    """
    positive, negative, kaon = (charged[pdg] for pdg in (211, -211, 130))
    assert isinstance(positive.density, SanfordWang | Bmpt)
    assert isinstance(negative.density, SanfordWang | Bmpt)
    mean = NeutralPion(positive.density, negative.density)
    return {
        111: replace(
            positive, pdg=111, density=mean, mass=MASS_NEUTRAL_PION, source="mean of pi+ and pi-: " + positive.source
        ),
        221: replace(kaon, pdg=221, mass=MASS_ETA, source="spectrum of K0: " + kaon.source),
    }


NEUTRAL_BERYLLIUM, NEUTRAL_GRAPHITE = _neutral(BERYLLIUM), _neutral(GRAPHITE)
# eta per pi0, both made by a beam proton. 8.9 GeV/c: the 1/30 that BdNMC uses for MiniBooNE, known to a factor 2.
# 120 GeV/c: 0.30/3.87 of NA27 in pp at 400 GeV/c (M. Aguilar-Benitez et al., Z. Phys. C 50 (1991) 405); Pythia 8 has
# 0.11 there.
ETA_PER_PI0 = {"beryllium": 1 / 30, "graphite": 0.30 / 3.87}
