"""Quantities with units at the boundary: text in, internal numbers (GeV, cm, ns, g/cm3, POT, radian) out.

The internal unit of each dimension is stated once here; hepunits supplies every conversion factor.
"""

import math
import re

import hepunits as hu

from darkhorn.kernels.constants import ELECTRIC_CHARGE, MASS_ELECTRON
from darkhorn.kernels.errors import InputError, did_you_mean

# dimension -> (internal unit, its hepunits value, {accepted unit: hepunits value})
_UNITS: dict[str, tuple[str, float, dict[str, float]]] = {
    "energy": ("GeV", hu.GeV, {"eV": hu.eV, "keV": hu.keV, "MeV": hu.MeV, "GeV": hu.GeV, "TeV": hu.TeV}),
    "length": ("cm", hu.cm, {"um": hu.micrometer, "mm": hu.mm, "cm": hu.cm, "m": hu.m, "km": hu.km}),
    "time": ("ns", hu.ns, {"ps": hu.picosecond, "ns": hu.ns, "us": hu.microsecond, "ms": hu.millisecond, "s": hu.s}),
    "density": ("g/cm3", hu.g / hu.cm3, {"g/cm3": hu.g / hu.cm3, "kg/m3": hu.kg / hu.m3}),
    "exposure": ("POT", 1.0, {"POT": 1.0}),
    "angle": ("rad", hu.rad, {"rad": hu.rad, "mrad": hu.mrad, "deg": hu.deg}),
    "magnetic moment": (
        "GeV^-1",
        1.0,
        {"GeV^-1": 1.0, "MeV^-1": 1e3, "TeV^-1": 1e-3, "mu_B": ELECTRIC_CHARGE / (2 * MASS_ELECTRON)},
    ),
    "current": ("kA", 1e3 * hu.ampere, {"kA": 1e3 * hu.ampere, "A": hu.ampere}),
}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"^\s*({_NUMBER})\s*([A-Za-z][A-Za-z0-9/^_-]*)?\s*$")


def accepted_units(dimension: str) -> tuple[str, ...]:
    """Names of the units accepted for a dimension, e.g. ('eV', ..., 'TeV')."""
    return tuple(_UNITS[dimension][2])


def internal_unit(dimension: str) -> str:
    """Name of the unit in which darkhorn computes: GeV, cm, ns, g/cm3, POT, rad, GeV^-1, kA."""
    return _UNITS[dimension][0]


def parse_quantity(text: object, dimension: str, where: str) -> float:
    """'106 MeV' -> 0.106: the number in the internal unit of `dimension`.

    Raises InputError for a bare number, an unknown unit, or text that is no finite number with a unit.
    """
    internal, internal_value, units = _UNITS[dimension]
    allowed = f"a number with a unit of {dimension} ({', '.join(units)})"
    match = _QUANTITY.match(text) if isinstance(text, str) else None
    if match is None:
        if isinstance(text, int | float) and not isinstance(text, bool):
            raise InputError(where, f"the bare number {text}", allowed, f"Write `{text} {internal}` if that is meant.")
        raise InputError(where, text, allowed, f"For example `1.5 {internal}`.")
    number, unit = match.groups()
    if unit is None:
        raise InputError(where, f"the bare number {text}", allowed, f"Write `{number} {internal}` if that is meant.")
    if unit not in units:
        raise InputError(where, text, allowed, did_you_mean(unit, list(units)) + f"`{unit}` is no unit of {dimension}.")
    value = float(number) * (units[unit] / internal_value)
    if not math.isfinite(value):
        raise InputError(where, text, allowed, "The number is too large.")
    return value


def format_quantity(value: float, dimension: str) -> str:
    """0.106 -> '0.106 GeV': the inverse of `parse_quantity`, exact to the last digit."""
    return f"{value!r} {_UNITS[dimension][0]}"
