"""Targets and decay regions of the beams, as plain numbers in cm. Host side only; nothing here imports JAX."""

from dataclasses import dataclass

from darkhorn.geometry.horns import HORNS_OF_BEAMS, PlacedHorn


@dataclass(frozen=True)
class Target:
    """A cylinder about the beam axis, and the protons on it.

    start, end, radius      cm
    momentum                of the protons, GeV/c
    spot, divergence        standard deviations in x and y of the proton beam: cm at z = waist, rad. Fully
                            anti-correlated (a converging beam)
    """

    start: float
    end: float
    radius: float
    momentum: float
    spot: tuple[float, float]
    divergence: tuple[float, float]
    waist: float
    source: str


@dataclass(frozen=True)
class DecayRegion:
    """What particles fly through behind the horn: rings (z, inner radius) that stop what is outside, and the end.

    rings   (z, radius) in cm, increasing in z: between two rings the wall is the straight line between them
    end     face of the dump; nothing decays beyond it
    """

    rings: tuple[tuple[float, float], ...]
    end: float
    source: str


@dataclass(frozen=True)
class Beamline:
    """One beam: its target, its horns and its decay region. exit: plane where horns end and straight lines begin."""

    name: str
    target: Target
    horns: tuple[PlacedHorn, ...]
    exit: float
    decay_region: DecayRegion


_G4BNB = "geometry BooNE_50m.gdml and input of the public G4BNB simulation"

BNB = Beamline(
    "bnb",
    Target(3.4925, 74.6125, 0.47625, 8.889, (0.151, 0.075), (0.66e-3, 0.40e-3), -1.0, _G4BNB),
    HORNS_OF_BEAMS["bnb"],
    185.0,
    # the steel collimator, a cone, and the pipe; the 25 m absorber is parked
    DecayRegion(((307.0, 30.0), (520.4, 35.5), (530.4, 91.44), (5026.0, 91.44)), 5031.0, _G4BNB),
)

BEAMLINES: dict[str, Beamline] = {"bnb": BNB}  # all that can be simulated, by name
