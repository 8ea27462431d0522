"""Targets and decay regions of the beams, as plain numbers in cm. Host side only; nothing here imports JAX."""

import math
from dataclasses import dataclass

from darkhorn.geometry.horns import HORNS_OF_BEAMS, PlacedHorn

AIR = 1.01e5  # cm: nuclear interaction length of pions, 122 g/cm2 (PDG)


@dataclass(frozen=True)
class Cooling:
    """A tube about a cylinder, of the same material, and thin fins between the two, in planes through the axis; cm.

    tube        inner and outer radius
    fin         lowest and highest radius of the fins
    thickness   of a fin
    degrees     azimuth of each fin
    along       share of the length of the target that has fins
    """

    tube: tuple[float, float]
    fin: tuple[float, float]
    thickness: float
    degrees: tuple[float, ...]
    along: float


@dataclass(frozen=True)
class Target:
    """A cylinder about the beam axis, or a fin that stands on edge, and the protons on it.

    start, end, radius      cm; radius of a fin: of a cylinder about it
    momentum                of the protons, GeV/c
    spot, divergence        standard deviations in x and y of the proton beam: cm at z = waist, rad. Fully
                            anti-correlated (a converging beam)
    material, density       name, and g/cm3 (mean over gaps)
    fin                     half width in x, lowest and highest y in cm; None: a cylinder
    cooling                 of a cylinder
    """

    start: float
    end: float
    radius: float
    momentum: float
    spot: tuple[float, float]
    divergence: tuple[float, float]
    waist: float
    source: str
    material: str = "beryllium"
    density: float = 1.848
    fin: tuple[float, float, float] | None = None
    cooling: Cooling | None = None


@dataclass(frozen=True)
class DecayRegion:
    """What particles fly through behind the horn: rings (z, inner radius) that stop what is outside, and the end.

    rings   (z, radius) in cm, increasing in z: between two rings the wall is the straight line between them
    end     face of the dump; nothing decays beyond it
    gas     interaction length of pions in what fills it, cm
    """

    rings: tuple[tuple[float, float], ...]
    end: float
    source: str
    gas: float = AIR


@dataclass(frozen=True)
class Beamline:
    """One beam: its target, its horns and its decay region. Lengths in cm.

    exit        plane where steps end and straight lines begin
    drift       largest step outside target and horns; None: as inside
    chase       radius of the walls between target and exit: what is outside at the end of a step is lost
    gas         interaction length of pions between target and exit
    absorber    where kaons stop, z on the axis; None: not known
    """

    name: str
    target: Target
    horns: tuple[PlacedHorn, ...]
    exit: float
    decay_region: DecayRegion
    drift: float | None = None
    chase: float = math.inf
    gas: float = math.inf
    absorber: float | None = None


_G4BNB = "geometry BooNE_50m.gdml and input of the public G4BNB simulation"

# Three fins of 88.9 mm on each of seven slugs of 101.6 mm. The tube begins 7 cm in front of the target and ends 1 cm
# behind it: that is left out
_COOLING = Cooling((1.36779, 1.46177), (0.47625, 1.3589), 0.157480, (30.0, 150.0, 270.0), 88.9 / 101.6)

BNB = Beamline(
    "bnb",
    Target(3.4925, 74.6125, 0.47625, 8.889, (0.151, 0.075), (0.66e-3, 0.40e-3), -1.0, _G4BNB, cooling=_COOLING),
    HORNS_OF_BEAMS["bnb"],
    185.0,
    # the steel collimator, a cone, and the pipe; the 25 m absorber is parked
    DecayRegion(((307.0, 30.0), (520.4, 35.5), (530.4, 91.44), (5026.0, 91.44)), 5031.0, _G4BNB),
)
