"""Targets as seen by a track: the share of a straight line inside, and whether a proton hits."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.geometry.beamlines import Target
from darkhorn.kernels.horn import mean_below, radius

_FLAT = 1e-12  # cm


class Rod(NamedTuple):
    """A cylinder about the axis; cm."""

    radius: jax.Array


class Fin(NamedTuple):
    """|x| < half_width, low < y < high; cm."""

    half_width: jax.Array
    low: jax.Array
    high: jax.Array


def shape_of(target: Target) -> Rod | Fin:
    """The cross-section of a target."""
    return Rod(jnp.asarray(target.radius)) if target.fin is None else Fin(*map(jnp.asarray, target.fin))


def hits(shape: Rod | Fin, x: jax.Array, y: jax.Array) -> jax.Array:
    """True where (x, y) is inside. Shapes broadcast."""
    if isinstance(shape, Rod):
        return x * x + y * y < shape.radius * shape.radius
    return (jnp.abs(x) < shape.half_width) & (y > shape.low) & (y < shape.high)


def _between(a: jax.Array, b: jax.Array, low: jax.Array, high: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where a quantity that goes linearly from a (at 0) to b (at 1) enters and leaves the interval (low, high)."""
    flat = jnp.abs(b - a) < _FLAT
    per = 1 / jnp.where(flat, 1.0, b - a)
    first, second = (low - a) * per, (high - a) * per
    inside = (a > low) & (a < high)
    enter = jnp.where(flat, jnp.where(inside, 0.0, 2.0), jnp.minimum(first, second))
    leave = jnp.where(flat, jnp.where(inside, 1.0, -1.0), jnp.maximum(first, second))
    return enter, leave


def share_inside(shape: Rod | Fin, x0: jax.Array, y0: jax.Array, x1: jax.Array, y1: jax.Array) -> jax.Array:
    """Share, in [0, 1], of the straight line between two points (cm) that is inside. Shapes broadcast.

    A fin: exact. A cylinder: the radius is taken to go linearly along the line.
    """
    if isinstance(shape, Rod):
        return mean_below(shape.radius - radius(x0, y0), shape.radius - radius(x1, y1))
    enter_x, leave_x = _between(x0, x1, -shape.half_width, shape.half_width)
    enter_y, leave_y = _between(y0, y1, shape.low, shape.high)
    enter = jnp.maximum(jnp.maximum(enter_x, enter_y), 0.0)
    leave = jnp.minimum(jnp.minimum(leave_x, leave_y), 1.0)
    return jnp.maximum(leave - enter, 0.0)
