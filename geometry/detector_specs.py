"""Detectors as plain data: the shipped ones, and the check of one that a user spells out. Nothing here imports JAX.

A specification is a mapping

    volumes   {name: {shape: box, centre: [x, y, z], size: [x, y, z], material: M}
                   | {shape: cylinder, centre: ..., radius: r, length: l, axis: x|y|z, material: M}
                   | {shape: tube, centre: ..., inner_radius: r, radius: R, length: l, axis: x|y|z, material: M}
                   | {shape: cone, centre: ..., start_radius: r, end_radius: R, length: l, axis: x|y|z, material: M}
                   | {shape: sphere, centre: ..., radius: r, material: M}}       in the detector's own frame
              M is the name of a shipped material, or {density: g/cm3, composition: {nuclide or element: mass fraction}}
    origin    where the origin of the detector frame lies in the beam frame
    rotation  3x3 matrix that takes directions from the detector frame to the beam frame (default: none)
    baseline  distance from the origin of the beam frame of the plane for which the flux table named `flux` holds
    flux      name of a flux table, or null
    source    where the numbers come from

with every length a number in cm. Beam frame of the BNB: z along the beam, y up, origin at the upstream face of the
horn.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from darkhorn.geometry.materials import Material, make_material, material
from darkhorn.kernels.errors import InputError, did_you_mean

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

SHIPPED_DETECTORS: dict[str, dict[str, Any]] = {
    "microboone": {
        # x from the anode at 0 to 256.35, y = +-116.5, z from 0: the coordinates of LArSoft
        "volumes": {
            "tpc": {
                "shape": "box",
                "centre": (128.175, 0.0, 518.4),
                "size": (256.35, 233.0, 1036.8),
                "material": "liquid-argon",
            },
            # The tube without its end caps, argon throughout: it includes the TPC.
            "cryostat": {
                "shape": "cylinder",
                "centre": (128.175, 0.0, 518.5),
                "radius": 190.5,
                "length": 1086.49,
                "axis": "z",
                "material": "liquid-argon",
            },
            # From behind the 50 m absorber (z = 5600 in the beam frame) to the first point of the hall, 274 cm
            # upstream of the TPC; +-2311.4 cm wide and from 2148.84 cm below to the grade at +624.84 cm, as in the
            # geometry file, which has 23 m of it. Other halls in the way (SBND, ANNIE) are not cut out.
            "soil": {
                "shape": "box",
                "centre": (128.175, -762.0, -20505.165),
                "size": (4622.8, 2773.68, 40462.37),
                "material": "soil",
            },
            # The round wall of the hall and the slab that it stands on, around the vertical axis.
            "hall-wall": {
                "shape": "tube",
                "centre": (128.175, 46.0, 518.5),
                "inner_radius": 741.68,
                "radius": 787.4,
                "length": 1158.0,
                "axis": "y",
                "material": "concrete",
            },
            "hall-floor": {
                "shape": "cylinder",
                "centre": (128.175, -578.9, 518.5),
                "radius": 787.4,
                "length": 91.4,
                "axis": "y",
                "material": "concrete",
            },
        },
        "origin": (-124.325, 0.93, 46336.35),
        "baseline": 46854.75,
        "flux": "microboone",
        "source": (
            "MicroBooNE geometry file v11; JINST 12 (2017) P02017 (1612.05824); the flux is the mean over the TPC,"
            " so that its reference point is the centre of the TPC, 468.5 m"
        ),
    },
    "miniboone": {
        "volumes": {
            "tank": {"shape": "sphere", "centre": (0.0, 0.0, 0.0), "radius": 610.0, "material": "mineral-oil"},
            # Inside the optical barrier; part of the tank.
            "signal": {"shape": "sphere", "centre": (0.0, 0.0, 0.0), "radius": 574.6, "material": "mineral-oil"},
        },
        "origin": (0.0, 189.614, 54134.0),
        "baseline": 54134.0,
        "flux": "miniboone",
        "source": "NIM A 599 (2009) 28 (0806.4201); position as in the flux of PRD 79 (2009) 072002 (0806.1449)",
    },
    "sbnd": {
        # x = 0 is the cathode, z = 0 the front face of the TPC. The beam axis crosses at x = -73.78 cm.
        "volumes": {
            "tpc": {
                "shape": "box",
                "centre": (0.0, 0.0, 250.0),
                "size": (400.0, 400.0, 500.0),
                "material": "liquid-argon",
            },
        },
        "origin": (73.78, 0.0, 11000.0),
        "baseline": 11000.0,
        "flux": "sbnd",
        "source": "SBN proposal 1503.01520; position and active volume as in the SBND simulation (sbncode)",
    },
    "icarus": {
        # Two modules side by side, each with a cathode in its middle; together 469 t of active argon.
        "volumes": {
            "tpc-east": {
                "shape": "box",
                "centre": (-210.215, -23.45, 0.0),
                "size": (296.55, 316.82, 1789.9),
                "material": "liquid-argon",
            },
            "tpc-west": {
                "shape": "box",
                "centre": (210.215, -23.45, 0.0),
                "size": (296.55, 316.82, 1789.9),
                "material": "liquid-argon",
            },
        },
        "origin": (0.0, 0.0, 60000.0),
        "baseline": 60000.0,
        "flux": "icarus",
        "source": "SBN proposal 1503.01520; active volume as in the selections of the ICARUS collaboration",
    },
}

_SHAPE_KEYS = {
    "box": ("centre", "size"),
    "cylinder": ("centre", "radius", "length", "axis"),
    "tube": ("centre", "inner_radius", "radius", "length", "axis"),
    "cone": ("centre", "start_radius", "end_radius", "length", "axis"),
    "sphere": ("centre", "radius"),
}
_SPEC_KEYS = ("name", "volumes", "origin", "rotation", "baseline", "flux", "source")


def shipped_specification(name: str, where: str = "detector") -> dict[str, Any]:
    """The specification of a shipped detector. Raises InputError, naming `where`."""
    if name not in SHIPPED_DETECTORS:
        hint = did_you_mean(name, list(SHIPPED_DETECTORS)) if isinstance(name, str) else ""
        raise InputError(where, name, ", ".join(SHIPPED_DETECTORS), hint + "Or spell out volumes and origin.")
    return {"name": name, **SHIPPED_DETECTORS[name]}


def checked_specification(specification: Mapping[str, Any], where: str = "detector") -> dict[str, Any]:
    """A specification with every default filled in, tuples of floats, and `Material` objects for materials.

    Raises InputError, which says where in the specification, for an unknown key or shape or material, a missing key, a
    size that is not positive, a number that is not finite, or a matrix that is no rotation.
    """
    _check_keys(specification, _SPEC_KEYS, ("volumes", "origin"), where)
    volumes = specification["volumes"]
    if not isinstance(volumes, Mapping) or not volumes:
        raise InputError(f"{where}.volumes", volumes, "at least one named volume", "For example a box called tpc.")
    checked = {}
    for name, volume in volumes.items():
        if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{where}.volumes", name, "names of letters, digits, - and _", "Rename the volume.")
        checked[name] = _checked_volume(volume, f"{where}.volumes.{name}")
    origin = _vector(specification["origin"], f"{where}.origin")
    baseline = specification.get("baseline")
    return {
        "name": str(specification.get("name", "user")),
        "volumes": checked,
        "origin": origin,
        "rotation": _rotation(specification.get("rotation", IDENTITY), f"{where}.rotation"),
        "baseline": math.hypot(*origin) if baseline is None else _positive(baseline, f"{where}.baseline"),
        "flux": specification.get("flux"),
        "source": str(specification.get("source", "user")),
    }


def _checked_volume(volume: object, where: str) -> dict[str, Any]:
    shapes = ", ".join(_SHAPE_KEYS)
    if not isinstance(volume, Mapping) or "shape" not in volume:
        raise InputError(where, volume, f"a mapping with `shape` ({shapes})", "For example `shape: box`.")
    shape = volume["shape"]
    if shape not in _SHAPE_KEYS:
        hint = did_you_mean(shape, list(_SHAPE_KEYS)) if isinstance(shape, str) else ""
        raise InputError(f"{where}.shape", shape, shapes, hint + "Approximate the volume by one of them.")
    needed = ("shape", "material", *_SHAPE_KEYS[shape])
    _check_keys(volume, needed, tuple(key for key in needed if key != "axis"), where)
    result: dict[str, Any] = {"shape": shape, "centre": _vector(volume["centre"], f"{where}.centre")}
    if shape == "box":
        size = _vector(volume["size"], f"{where}.size")
        result["size"] = tuple(_positive(length, f"{where}.size") for length in size)
    for key in ("inner_radius", "radius", "start_radius", "end_radius", "length"):
        if key in needed:
            result[key] = _positive(volume[key], f"{where}.{key}")
    if shape == "tube" and result["inner_radius"] >= result["radius"]:
        found = f"{result['inner_radius']:g} cm"
        raise InputError(f"{where}.inner_radius", found, f"less than the radius, {result['radius']:g} cm", "Swap them.")
    if "axis" in needed:
        result["axis"] = volume.get("axis", "z")
        if result["axis"] not in ("x", "y", "z"):
            raise InputError(f"{where}.axis", result["axis"], "x, y or z", "z is along the beam, y is vertical.")
    result["material"] = checked_material(volume["material"], f"{where}.material")
    return result


def checked_material(what: object, where: str) -> Material:
    """A material from its name, or from {name, density, composition, source}; a shipped name with `density` changes
    that.
    """
    if isinstance(what, Material):
        return what
    if isinstance(what, str):
        return material(what, where=where)
    if not isinstance(what, Mapping):
        raise InputError(where, what, "the name of a material, or density and composition", "For example `soil`.")
    if "composition" not in what:
        _check_keys(what, ("name", "density"), ("name",), where)
        density = what.get("density")
        return material(what["name"], None if density is None else _positive(density, f"{where}.density"), where)
    _check_keys(what, ("name", "density", "composition", "source"), ("density", "composition"), where)
    name, source = str(what.get("name", "user")), str(what.get("source", "user"))
    return make_material(name, what["density"], what["composition"], source, where)


def _check_keys(what: object, known: Sequence[str], needed: Sequence[str], where: str) -> None:
    if not isinstance(what, Mapping):
        raise InputError(where, what, f"a mapping with {', '.join(known)}", "Spell it out.")
    for key in what:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise InputError(where, f"the unknown key `{key}`", ", ".join(known), hint + "Remove or rename it.")
    for key in needed:
        if key not in what:
            raise InputError(where, f"no `{key}`", f"{', '.join(needed)} are needed", f"Add `{key}`.")


def _number(value: object, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise InputError(where, value, "a finite number (cm)", "Give a number.")
    return float(value)


def _positive(value: object, where: str) -> float:
    number = _number(value, where)
    if number <= 0:
        raise InputError(where, value, "a positive number", "Sizes and densities are greater than zero.")
    return number


def _vector(value: object, where: str) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 3:
        raise InputError(where, value, "three numbers [x, y, z]", "Give all three.")
    return tuple(_number(component, where) for component in value)


def _rotation(value: object, where: str) -> tuple[tuple[float, ...], ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 3:
        raise InputError(where, value, "a 3x3 matrix, row by row", "Leave it out if the frames are parallel.")
    rows = tuple(_vector(row, where) for row in value)
    (a, b, c), (d, e, f), (g, h, i) = rows
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    defect = max(
        abs(math.fsum(x * y for x, y in zip(rows[j], rows[k], strict=True)) - (j == k))
        for j in range(3)
        for k in range(3)
    )
    if defect > 1e-6 or determinant < 0:
        raise InputError(
            where,
            f"rows that are orthonormal to {defect:.1e}, determinant {determinant:.6f}",
            "orthonormal rows to 1e-6 and determinant +1",
            "Give more digits, or check the order of rows and columns.",
        )
    return rows
