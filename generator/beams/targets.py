"""Targets as seen by a track: the share of a straight line inside."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.geometry.beamlines import Target

_FLAT = 1e-12  # cm


class Rod(NamedTuple):
    """A cylinder about the axis; cm."""

    radius: jax.Array


class CooledRod(NamedTuple):
    """A cylinder in a coaxial tube that it touches by thin fins in planes through the axis; cm. See `Cooling`."""

    radius: jax.Array
    tube: tuple[jax.Array, jax.Array]
    fin: tuple[jax.Array, jax.Array]
    half_thickness: jax.Array
    directions: tuple[tuple[jax.Array, jax.Array], ...]
    along: jax.Array


class Fin(NamedTuple):
    """|x| < half_width, low < y < high; cm."""

    half_width: jax.Array
    low: jax.Array
    high: jax.Array


Shape = Rod | CooledRod | Fin


def shape_of(target: Target) -> Shape:
    """The cross-section of a target."""
    if target.fin is not None:
        return Fin(*map(jnp.asarray, target.fin))
    cooling = target.cooling
    if cooling is None:
        return Rod(jnp.asarray(target.radius))
    return CooledRod(
        jnp.asarray(target.radius),
        (jnp.asarray(cooling.tube[0]), jnp.asarray(cooling.tube[1])),
        (jnp.asarray(cooling.fin[0]), jnp.asarray(cooling.fin[1])),
        jnp.asarray(cooling.thickness / 2),
        tuple((jnp.asarray(math.cos(a)), jnp.asarray(math.sin(a))) for a in map(math.radians, cooling.degrees)),
        jnp.asarray(cooling.along),
    )


def _between(a: jax.Array, b: jax.Array, low: jax.Array, high: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where a quantity that goes linearly from a (at 0) to b (at 1) enters and leaves the interval (low, high)."""
    flat = jnp.abs(b - a) < _FLAT
    per = 1 / jnp.where(flat, 1.0, b - a)
    first, second = (low - a) * per, (high - a) * per
    inside = (a > low) & (a < high)
    enter = jnp.where(flat, jnp.where(inside, 0.0, 2.0), jnp.minimum(first, second))
    leave = jnp.where(flat, jnp.where(inside, 1.0, -1.0), jnp.maximum(first, second))
    return enter, leave


def _in_box(u: tuple[jax.Array, jax.Array, jax.Array, jax.Array], v: tuple[jax.Array, ...]) -> jax.Array:
    """Share of a line inside a rectangle; u, v: start, end, and the interval in two directions at right angles."""
    enter_u, leave_u = _between(*u)
    enter_v, leave_v = _between(*v)
    enter = jnp.maximum(jnp.maximum(enter_u, enter_v), 0.0)
    leave = jnp.minimum(jnp.minimum(leave_u, leave_v), 1.0)
    return jnp.maximum(leave - enter, 0.0)


def _in_circle(size: jax.Array, a: jax.Array, per_a: jax.Array, b: jax.Array, squared: jax.Array) -> jax.Array:
    """Share of the line r0 + t d, 0 < t < 1, with |r| < size: a = d d, b = r0 d, squared = r0 r0."""
    beyond = squared - size * size
    reach = b * b - a * beyond
    # both ends without a difference of like numbers, which single precision would not stand for nearly axial lines
    q = -(b + jnp.copysign(jnp.sqrt(jnp.maximum(reach, 0.0)), b))
    one, two = q * per_a, beyond / jnp.where(q != 0, q, _FLAT)
    crossed = jnp.clip(jnp.maximum(one, two), 0.0, 1.0) - jnp.clip(jnp.minimum(one, two), 0.0, 1.0)
    return jnp.where(a > _FLAT * _FLAT, jnp.where(reach > 0, crossed, 0.0), jnp.where(squared < size * size, 1.0, 0.0))


def share_inside(shape: Shape, x0: jax.Array, y0: jax.Array, x1: jax.Array, y1: jax.Array) -> jax.Array:
    """Share, in [0, 1], of the straight line between two points (cm) that is inside: exact. Shapes broadcast.

    Fins of a cooled rod count with the share of its length that they take.
    """
    if isinstance(shape, Fin):
        return _in_box((x0, x1, -shape.half_width, shape.half_width), (y0, y1, shape.low, shape.high))
    dx, dy = x1 - x0, y1 - y0
    a = dx * dx + dy * dy
    per_a = 1 / jnp.maximum(a, _FLAT * _FLAT)
    b, squared = x0 * dx + y0 * dy, x0 * x0 + y0 * y0
    share = _in_circle(shape.radius, a, per_a, b, squared)
    if isinstance(shape, Rod):
        return share
    inner, outer = shape.tube
    share = share + _in_circle(outer, a, per_a, b, squared) - _in_circle(inner, a, per_a, b, squared)
    h = shape.half_thickness
    for c, s in shape.directions:
        along = (c * x0 + s * y0, c * x1 + s * y1, *shape.fin)
        across = (c * y0 - s * x0, c * y1 - s * x1, -h, h)
        share = share + shape.along * _in_box(along, across)
    return share
