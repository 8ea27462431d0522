"""The area over which the flux at a detector is averaged."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.geometry.detectors import Detector, detector
from darkhorn.geometry.volumes import Box, Sphere
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.trigonometry import sincos2pi

SENSITIVE = ("tpc", "tank", "tpc-east", "tpc-west")  # names of the volumes that count


class Window(NamedTuple):
    """Centre (cm, beam frame), half sizes in x and y, and 1 for an ellipse with those half axes, 0 for a rectangle."""

    x: jax.Array
    y: jax.Array
    z: jax.Array
    half_x: jax.Array
    half_y: jax.Array
    round: jax.Array


def window(name: str) -> Window:
    """The window of a shipped detector that faces the beam: the shadow of its sensitive volumes on the plane for which
    its flux table holds. Raises InputError for a detector that is not known or whose frame is rotated.
    """
    where = detector(name, "--detector")
    boxes = []
    disc = False
    for volume in (v.shape for key, v in where.volumes.items() if key in SENSITIVE):
        if isinstance(volume, Sphere):
            half = (float(volume.radius),) * 2
            disc = True
        else:
            assert isinstance(volume, Box)
            half = (float(volume.half_size[0]), float(volume.half_size[1]))
        centre = (float(volume.centre[0]) + where.origin_cm[0], float(volume.centre[1]) + where.origin_cm[1])
        boxes.append((centre[0] - half[0], centre[0] + half[0], centre[1] - half[1], centre[1] + half[1]))
    _check(where, bool(boxes))
    x0, x1 = min(b[0] for b in boxes), max(b[1] for b in boxes)
    y0, y1 = min(b[2] for b in boxes), max(b[3] for b in boxes)
    numbers = ((x0 + x1) / 2, (y0 + y1) / 2, where.baseline_cm, (x1 - x0) / 2, (y1 - y0) / 2, float(disc))
    return Window(*map(jnp.asarray, numbers))


def _check(where: Detector, found: bool) -> None:
    upright = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    if not found or where.rotation != upright:
        raise InputError("--detector", where.name, "a detector that faces the beam", "Choose another detector.")


def point_in(w: Window, u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Uniform points (x, y) of a window. Shapes (n,)."""
    sine, cosine = sincos2pi(v)
    far = jnp.sqrt(u)
    ellipse = w.round > 0
    return (
        w.x + w.half_x * jnp.where(ellipse, far * cosine, 2 * u - 1),
        w.y + w.half_y * jnp.where(ellipse, far * sine, 2 * v - 1),
    )
