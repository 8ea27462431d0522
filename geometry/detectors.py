"""Detectors: named volumes with materials, and the rigid motion between the detector frame and the beam frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jax.numpy as jnp

from darkhorn.geometry.detector_specs import IDENTITY, checked_specification, shipped_specification
from darkhorn.geometry.materials import Material
from darkhorn.geometry.volumes import Box, Cone, Cylinder, Sphere, Tube, Volume

# A component array: NumPy or JAX, or a number
Component = TypeVar("Component")


@dataclass(frozen=True)
class PlacedVolume:
    """A shape in the detector frame (cm) and what fills it."""

    shape: Volume
    material: Material


@dataclass(frozen=True)
class Detector:
    """A detector. Not a pytree: the frame is static, the shapes are pytrees of their own.

    volumes      {name: PlacedVolume}, in the detector frame; volumes may contain one another (a TPC in its cryostat)
    origin_cm    origin of the detector frame in the beam frame
    rotation     rows of the matrix that takes directions from the detector frame to the beam frame
    baseline_cm  distance from the beam origin of the plane for which the flux table `flux_name` holds
    """

    name: str
    volumes: Mapping[str, PlacedVolume]
    origin_cm: tuple[float, float, float]
    rotation: tuple[tuple[float, float, float], ...]
    baseline_cm: float
    flux_name: str | None
    source: str


def detector(name: str, where: str = "detector") -> Detector:
    """A shipped detector: microboone, miniboone, sbnd, icarus. Raises InputError, naming `where`."""
    return detector_from_spec(shipped_specification(name, where), where)


def detector_from_spec(specification: Mapping[str, Any], where: str = "detector") -> Detector:
    """A detector from plain data, lengths in cm; see `darkhorn.geometry.detector_specs`. Raises InputError."""
    spec = checked_specification(specification, where)
    volumes = {name: PlacedVolume(_shape(entry), entry["material"]) for name, entry in spec["volumes"].items()}
    return Detector(
        spec["name"], volumes, spec["origin"], spec["rotation"], spec["baseline"], spec["flux"], spec["source"]
    )


def _shape(entry: Mapping[str, Any]) -> Volume:
    centre = jnp.array(entry["centre"], dtype=float)
    if entry["shape"] == "box":
        return Box(centre, jnp.array(entry["size"], dtype=float) / 2)
    if entry["shape"] == "sphere":
        return Sphere(centre, jnp.array(entry["radius"], dtype=float))
    radii = {key: jnp.array(entry[key], dtype=float) for key in entry if key.endswith("radius")}
    rest = {**radii, "half_length": jnp.array(entry["length"], dtype=float) / 2, "axis": entry["axis"]}
    kind: type[Volume] = {"cylinder": Cylinder, "tube": Tube, "cone": Cone}[entry["shape"]]
    return kind(centre=centre, **rest)


def direction_to_beam(
    where: Detector, dx: Component, dy: Component, dz: Component
) -> tuple[Component, Component, Component]:
    """Direction (or momentum) components from the detector frame to the beam frame; any shape."""
    return _rotate(where.rotation, dx, dy, dz)


def direction_to_detector(
    where: Detector, dx: Component, dy: Component, dz: Component
) -> tuple[Component, Component, Component]:
    """Direction (or momentum) components from the beam frame to the detector frame; any shape."""
    return _rotate(tuple(zip(*where.rotation, strict=True)), dx, dy, dz)


def to_beam(where: Detector, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    """Position (cm, any shape) from the detector frame to the beam frame: R x + origin."""
    bx, by, bz = direction_to_beam(where, x, y, z)
    ox, oy, oz = where.origin_cm
    return bx + ox, by + oy, bz + oz


def to_detector(where: Detector, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    """Position (cm, any shape) from the beam frame to the detector frame: R^T (x - origin)."""
    ox, oy, oz = where.origin_cm
    return direction_to_detector(where, x - ox, y - oy, z - oz)


def _rotate(matrix: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    if matrix == IDENTITY:  # the frames of the BNB detectors: no arithmetic at all
        return x, y, z
    a, b, c = (row[0] * x + row[1] * y + row[2] * z for row in matrix)
    return a, b, c
