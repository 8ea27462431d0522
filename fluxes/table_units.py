"""What the numbers of a flux table mean: words for the energy, the area and the protons that they count. No numpy."""

import re

from darkhorn.kernels.errors import InputError, did_you_mean

CONTENT_ALLOWED = "`per-bin`, `per-GeV`, or `per-50-MeV` with any energy"
UNIT_ALLOWED = "`cm^-2 POT^-1`, `m^-2 POT^-1`, or with a number of protons as in `m^-2 / 1e6 POT`"
GEV = {"eV": 1e-9, "keV": 1e-6, "MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}
_CM2 = {"cm": 1.0, "m": 1e-4}
CONTENT = re.compile(r"per-(?:([0-9.eE+]+)-?)?(eV|keV|MeV|GeV|TeV)")
UNIT = re.compile(r"(cm|m)(?:\^-2|-2|\^\{-2\})\s*(?:POT(?:\^-1|-1|\^\{-1\})|/\s*([0-9.]+(?:[eE]\+?[0-9]+)?)?\s*POT)")


def energy_counted(content: object, where: str) -> float | None:
    """Energy in GeV that a number of a table counts, or None if it counts a bin. Raises InputError, naming `where`."""
    if content is None:
        raise InputError(
            where, "no statement", CONTENT_ALLOWED, "The file does not say it: write `content: per-bin` or another."
        )
    if content == "per-bin":
        return None
    match = CONTENT.fullmatch(content) if isinstance(content, str) else None
    if match is not None:
        try:
            width = float(match[1] or 1) * GEV[match[2]]
        except ValueError:
            width = 0.0
        if 0 < width < float("inf"):
            return width
    hint = did_you_mean(str(content), ["per-bin", "per-GeV", "per-50-MeV", "per-MeV"])
    raise InputError(where, content, CONTENT_ALLOWED, hint + "Say what a number of the file counts.")


def to_per_cm2(unit: object, where: str) -> float:
    """Factor from the unit of a table to cm^-2 POT^-1. Raises InputError, naming `where`."""
    if unit is None:
        raise InputError(
            where, "no statement", UNIT_ALLOWED, "The file does not say it: write `unit: cm^-2 POT^-1` or another."
        )
    match = UNIT.fullmatch(unit.strip()) if isinstance(unit, str) else None
    if match is not None:
        try:
            protons = float(match[2] or 1)
        except ValueError:
            protons = 0.0
        if 0 < protons < float("inf"):
            return _CM2[match[1]] / protons
    raise InputError(where, unit, UNIT_ALLOWED, "Say per which area and per how many protons.")
