"""Magnetic horns: their conductors as surfaces of revolution. Host side only; nothing here imports JAX.

A horn is a body of revolution with four surfaces, radii as functions of z (cm, z from the front of the horn):

    bore    inner surface of the inner conductor: no field inside
    inner   outer surface of the inner conductor: the current flows between bore and inner
    outer   inner surface of the outer conductor: the field 1/r fills inner to outer
    wall    outer surface of the outer conductor
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from darkhorn.kernels.errors import InputError, did_you_mean

Array = NDArray[np.float64]
Surface = Callable[[Array], Array]
_INCH = 2.54  # cm


@dataclass(frozen=True)
class Horn:
    """One horn.

    start_cm, end_cm    ends of the field, in its own frame
    current_ka          nominal current; positive focuses positive particles that go along +z
    skin_depth_cm       decay length of the current inside the inner conductor, from its outer surface; None: uniform
    bore, inner, outer, wall    radii in cm of arrays of z in cm
    knots               z where a surface has a corner: a step should end there
    """

    name: str
    start_cm: float
    end_cm: float
    current_ka: float
    skin_depth_cm: float | None
    bore: Surface
    inner: Surface
    outer: Surface
    wall: Surface
    knots: tuple[float, ...]
    source: str

    def surfaces(self, z_cm: Array) -> tuple[Array, Array, Array, Array]:
        """Radii of bore, inner, outer and wall at z (cm, in the frame of the horn), shape of the input."""
        z = np.clip(np.asarray(z_cm, np.float64), self.start_cm, self.end_cm)
        return self.bore(z), self.inner(z), self.outer(z), self.wall(z)


def horn(name: str, where: str = "horn") -> Horn:
    """A horn by name: bnb, numi-1, numi-2. Raises InputError, naming `where`."""
    if name not in _HORNS:
        raise InputError(where, name, ", ".join(_HORNS), did_you_mean(str(name), list(_HORNS)) + "Choose a horn.")
    return _HORNS[name]


def polycone(points: tuple[tuple[float, float], ...]) -> Surface:
    """Straight lines between points (z, r), constant outside. Lengths in mm in, cm out."""
    z, r = np.array(points, np.float64).T / 10

    def surface(at: Array) -> Array:
        radius: Array = np.interp(at, z, r)
        return radius

    return surface


# BNB: BooNE_50m.gdml of the public G4BNB simulation, mm
_BNB_BORE = (
    *((0.0, 22.0), (86.0, 19.0), (655.0, 19.0), (800.0, 19.0), (877.0, 30.0), (1000.0, 47.4), (1106.0, 62.4)),
    *((1304.0, 62.4), (1606.0, 19.0), (1686.7, 21.2), (1733.0, 38.0), (1770.8, 69.7), (1795.4, 112.4), (1804.0, 156.0)),
)
_BNB_INNER = (
    *((35.0, 70.0), (86.0, 22.0), (655.0, 22.0), (800.0, 22.0), (877.0, 33.0), (1000.0, 50.4), (1106.0, 65.4)),
    *((1304.0, 65.4), (1606.0, 22.0), (1664.0, 24.0), (1731.5, 41.0), (1768.5, 71.7), (1792.6, 113.5), (1800.0, 159.5)),
)
_BNB_OUTER = (
    *((35.0, 300.0), (1606.0, 300.0), (1664.0, 297.9), (1731.5, 281.4)),
    *((1768.5, 250.3), (1792.6, 208.5), (1800.0, 161.6)),
)
_BNB_WALL = (
    *((0.0, 325.4), (1606.0, 325.4), (1686.7, 300.8), (1733.0, 284.0)),
    *((1770.8, 252.3), (1795.4, 209.6), (1804.0, 166.0)),
)


def _knots(*surfaces: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    return tuple(sorted({z / 10 for points in surfaces for z, _ in points}))


_BNB = Horn(
    name="bnb",
    start_cm=3.5,
    end_cm=180.0,
    current_ka=174.0,
    skin_depth_cm=0.14,
    bore=polycone(_BNB_BORE),
    inner=polycone(_BNB_INNER),
    outer=polycone(_BNB_OUTER),
    wall=polycone(_BNB_WALL),
    knots=_knots(_BNB_BORE, _BNB_INNER, _BNB_OUTER, _BNB_WALL),
    source="geometry and currents of the public G4BNB simulation (BooNE_50m.gdml; skin depth 1.4 mm)",
)


def _pieces(*pieces: tuple[float, Callable[[Array], Array]], scale: float) -> Surface:
    """A surface by pieces (end, radius(z)), both in units of `scale` cm; the last piece has end inf."""

    def surface(at: Array) -> Array:
        z = np.asarray(at, np.float64) / scale
        conditions = [z < end for end, _ in pieces]
        values = [radius(z) for _, radius in pieces]
        radii: Array = scale * np.select(conditions, values)
        return radii

    return surface


def _parabola(offset: float, slope: float, less: float = 0.0) -> Callable[[Array], Array]:
    """sqrt(offset + slope z) - less, zero under the root where the piece does not apply."""
    return lambda z: np.sqrt(np.maximum(offset + slope * z, 0.0)) - less


def _constant(radius: float) -> Callable[[Array], Array]:
    return lambda z: np.full_like(z, radius)


# NuMI horn 1, drawings in inches; horn 2 in cm, as in the public g4numi simulation. Uniform current, as there.
_NUMI_1_KNOTS = (0.0, 16.1602, 30.315, 31.8827, 36.2709, 117.1126)
_NUMI_1_INNER = _pieces(
    (30.315, _parabola(1.975805, -0.05585)),
    (31.8827, _constant(1.063 / 2)),
    (117.1126, _parabola(-5.462253, 0.180183)),
    (math.inf, _constant(8.5 / 2)),
    scale=_INCH,
)
_NUMI_1_BORE = _pieces(
    (16.1602, _parabola(1.975805, -0.055858, 0.07874)),
    (30.315, _parabola(1.818869, -0.055858)),
    (31.8827, _constant(0.709 / 2)),
    (36.2709, _parabola(-5.61919, 0.180183)),
    (117.1126, _parabola(-5.462253, 0.180183, 0.07874)),
    (math.inf, _constant(7.75 / 2)),
    scale=_INCH,
)
# The outer conductors are taken to be 1 inch thick: what crosses them is lost for the flux.
_NUMI = "drawings of the horn as coded in the public g4numi simulation; currents of MINOS-doc-1303 and of NOvA running"

_NUMI_1 = Horn(
    name="numi-1",
    start_cm=0.0,
    end_cm=324.7,
    current_ka=182.1,
    skin_depth_cm=None,
    bore=_NUMI_1_BORE,
    inner=_NUMI_1_INNER,
    outer=_pieces((117.1126, _constant(5.875)), (math.inf, _constant(7.21838)), scale=_INCH),
    wall=_pieces((117.1126, _constant(6.875)), (math.inf, _constant(8.21838)), scale=_INCH),
    knots=tuple(_INCH * z for z in _NUMI_1_KNOTS),
    source=_NUMI,
)

_NUMI_2 = Horn(
    name="numi-2",
    start_cm=0.0,
    end_cm=342.8,
    current_ka=182.1,
    skin_depth_cm=None,
    bore=_pieces(
        (97.617, _parabola(100 / 0.1351, -1 / 0.1351, 0.2)),
        (104.803, _constant(4.0)),
        (300.1, _parabola(-100 / 0.2723, 1 / 0.2723, 0.2)),
        (math.inf, _constant(26.80)),
        scale=1.0,
    ),
    inner=_pieces(
        (97.617, _parabola(100 / 0.1351, -1 / 0.1351)),
        (104.803, _constant(4.2)),
        (300.1, _parabola(-100 / 0.2723, 1 / 0.2723)),
        (math.inf, _constant(27.753)),
        scale=1.0,
    ),
    outer=_pieces((math.inf, _constant(14.567)), scale=_INCH),
    wall=_pieces((math.inf, _constant(15.567)), scale=_INCH),
    knots=(0.0, 97.617, 104.803, 300.1),
    source=_NUMI + "; the flange beyond 300.1 cm is a cylinder here",
)

_HORNS = {made.name: made for made in (_BNB, _NUMI_1, _NUMI_2)}


@dataclass(frozen=True)
class PlacedHorn:
    """A horn with its front at z_cm of the beam frame, fed with current_ka (its sign chooses the charge it focuses)."""

    horn: Horn
    z_cm: float
    current_ka: float


def ideal(placed: PlacedHorn) -> PlacedHorn:
    """The same horn with conductors of no thickness (1e-4 cm): the field 1/r fills the gap, and no metal is met."""
    made, thin = placed.horn, 1e-4

    def bore(z: Array) -> Array:
        return made.inner(z) - thin

    def wall(z: Array) -> Array:
        return made.outer(z) + thin

    return replace(placed, horn=replace(made, name=f"ideal {made.name}", bore=bore, wall=wall))


# Beam frames: BNB, z = 0 at the front of the horn. NuMI, z = 0 at MCZERO, 3 cm before the front of horn 1. Positions
# and currents of the low-energy and medium-energy configurations.
HORNS_OF_BEAMS = {
    "bnb": (PlacedHorn(_BNB, 0.0, 174.0),),
    "numi-le": (PlacedHorn(_NUMI_1, 3.0, 182.1), PlacedHorn(_NUMI_2, 1000.0, 182.1)),
    "numi-me": (PlacedHorn(_NUMI_1, 3.0, 200.0), PlacedHorn(_NUMI_2, 1918.0, 200.0)),
}
