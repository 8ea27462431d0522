"""The area, or volume, over which the flux at a detector is averaged."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.geometry.detectors import Detector, detector
from darkhorn.geometry.numi import MINERVA_TRACKER, NUMI, PLACES, to_beam
from darkhorn.geometry.volumes import Box, Sphere
from darkhorn.kernels.errors import InputError, did_you_mean
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.trigonometry import sincos2pi

SENSITIVE = ("tpc", "tank", "tpc-east", "tpc-west")  # names of the volumes that count


class Window(NamedTuple):
    """Centre (cm, beam frame), three half edges from it, and 1 for an ellipse of the first two, 0 for a box."""

    centre: Vector
    first: Vector
    second: Vector
    third: Vector
    round: jax.Array


def _vector(x: float, y: float, z: float) -> Vector:
    return Vector(*map(jnp.asarray, (float(x), float(y), float(z))))


def window(name: str, beam: str = "bnb") -> Window:
    """The window of a shipped detector in a beam. Raises InputError for a detector that is not known there.

    BNB: the shadow of the sensitive volumes on the plane for which the flux table of the detector holds. NuMI: the box
    about the sensitive volumes, which the beam crosses at an angle; for MINERvA, a disc.
    """
    if beam in NUMI:
        return _numi_window(name)
    where = detector(name, "--detector")
    disc, low, high = _edges(where)
    upright = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    if where.rotation != upright:
        raise InputError("--detector", where.name, "a detector that faces the beam", "Choose another detector.")
    x, y = ((low[i] + high[i]) / 2 + where.origin_cm[i] for i in (0, 1))
    half_x, half_y = ((high[i] - low[i]) / 2 for i in (0, 1))
    centre = _vector(x, y, where.baseline_cm)
    return Window(centre, _vector(half_x, 0, 0), _vector(0, half_y, 0), _vector(0, 0, 0), jnp.asarray(float(disc)))


def _edges(where: Detector) -> tuple[bool, list[float], list[float]]:
    """Whether a sensitive volume is a sphere, and the corners of the box about all of them, in the detector frame."""
    low, high = [math.inf] * 3, [-math.inf] * 3
    disc = False
    for volume in (v.shape for key, v in where.volumes.items() if key in SENSITIVE):
        if isinstance(volume, Sphere):
            half = [float(volume.radius)] * 3
            disc = True
        else:
            assert isinstance(volume, Box)
            half = [float(h) for h in volume.half_size]
        for i in range(3):
            low[i] = min(low[i], float(volume.centre[i]) - half[i])
            high[i] = max(high[i], float(volume.centre[i]) + half[i])
    if low[0] > high[0]:
        raise InputError("--detector", where.name, "a detector with a sensitive volume", "Choose another detector.")
    return disc, low, high


def _numi_window(name: str) -> Window:
    if name not in PLACES:
        hint = did_you_mean(name, list(PLACES))
        raise InputError("--detector", name, ", ".join(PLACES), hint + "Choose a detector of the NuMI beam.")
    place = PLACES[name]
    if name == "minerva":
        middle, reach = MINERVA_TRACKER
        half, disc = (reach, reach, 0.0), 1.0
    else:
        _, low, high = _edges(detector(name, "--detector"))
        (x, y, z), (a, b, c) = ([(m + sign * n) / 2 for n, m in zip(low, high, strict=True)] for sign in (1, -1))
        middle, half, disc = (x, y, z), (a, b, c), 0.0
    first, second, third = (_vector(*(h * c for c in row)) for h, row in zip(half, place.rotation, strict=True))
    return Window(_vector(*to_beam(place, middle)), first, second, third, jnp.asarray(disc))


def point_in(w: Window, u: jax.Array, v: jax.Array, t: jax.Array) -> Vector:
    """Uniform points of a window from three uniform numbers in [0, 1). Shapes (n,)."""
    sine, cosine = sincos2pi(v)
    far = jnp.sqrt(u)
    ellipse = w.round > 0
    first = w.first.scale(jnp.where(ellipse, far * cosine, 2 * u - 1))
    second = w.second.scale(jnp.where(ellipse, far * sine, 2 * v - 1))
    return w.centre.plus(first).plus(second).plus(w.third.scale(2 * t - 1))
