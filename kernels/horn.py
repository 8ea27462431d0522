"""The field of a magnetic horn, and the step of a charged particle through it.

A horn is axially symmetric, its field azimuthal: B = B_phi(r, z) phi. With F(r) the share of the current I enclosed by
a circle of radius r about the axis,

    B_phi = mu_0 I F(r) / (2 pi r) = 0.02 T cm/kA  I F(r)/r

F = 0 in the bore, rises from 0 to 1 inside the inner conductor, is 1 between the conductors and 0 outside the outer
one. Positive current means B along +phi, which turns positive particles that go along +z to the axis.

Equation of motion: dp^mu/dtau = q F^{mu nu} u_nu. In a field without z component, and with z as the variable,

    dp_x/dz = -k q B_phi x/r,   dp_y/dz = -k q B_phi y/r,   dx/dz = p_x/p_z,   p_z = sqrt(p^2 - p_x^2 - p_y^2)

exactly (k = 0.299792458e-2 GeV/(T cm)): the kick does not depend on p_z. A step drifts, kicks and drifts on, as the
Boris step does with path length as its variable; |p| is kept exactly, and so is L_z = x p_y - y p_x. Surfaces are met
in the middle of a step: the kick takes the mean of F over the straight line of the step, in closed form, and acts at
the centre of the part that has field (`crossing`). So a step is of second order with and without surfaces in it.
Source: J.D. Jackson, Classical Electrodynamics; J.P. Boris, Proc. 4th Conf. Num. Sim. Plasmas (1970) 3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

FIELD_CONSTANT = 0.02  # T cm / kA: mu_0 / (2 pi)
BENDING = 0.299792458e-2  # GeV / (T cm): momentum from field and length, exact
_EPSILON = 1e-7
_ALONG = 1e-5  # smallest change of depth in the conductor, in units of its thickness
STEEPEST = 0.05  # smallest p_z/|p|: a particle that turns further is taken as turned back


class Surfaces(NamedTuple):
    """Radii (cm) of bore, inner, outer and wall (see `darkhorn.geometry.horns`); shapes broadcast."""

    bore: jax.Array
    inner: jax.Array
    outer: jax.Array
    wall: jax.Array


def enclosed_current(r: jax.Array, s: Surfaces, skin_depth: float | None) -> jax.Array:
    """F(r), the share of the current within radius r (cm). Shapes broadcast.

    In the inner conductor, of thickness t: [exp(-(inner - r)/d) - exp(-t/d)]/[1 - exp(-t/d)] for a skin depth d (cm);
    (r^2 - bore^2)/(inner^2 - bore^2) for None, a uniform current density. 0 outside the outer conductor.
    """
    u = jnp.clip((r - s.bore) / (s.inner - s.bore), 0.0, 1.0)
    return jnp.where(r < s.outer, _share(u, s, skin_depth), 0.0)


def field(r: jax.Array, s: Surfaces, current: jax.Array, skin_depth: float | None) -> jax.Array:
    """B_phi in tesla at r (cm, r = 0 allowed) for a current in kA. Shapes broadcast."""
    inside = r > 0
    return jnp.where(
        inside, FIELD_CONSTANT * current * enclosed_current(r, s, skin_depth) / jnp.where(inside, r, 1.0), 0.0
    )


def _share(u: jax.Array, s: Surfaces, skin_depth: float | None) -> jax.Array:
    """F at depth u in [0, 1] of the inner conductor."""
    thickness = s.inner - s.bore
    if skin_depth is None:
        return u * (2 * s.bore + thickness * u) / (2 * s.bore + thickness)
    k = thickness / skin_depth
    return jnp.expm1(k * u) / jnp.expm1(k)


def _integrals(
    u0: jax.Array, u1: jax.Array, bore: jax.Array, thickness: jax.Array, skin_depth: float | None
) -> tuple[jax.Array, jax.Array]:
    """Integrals of F and of u F from u0 to u1, F being 0 below and 1 above the conductor; any u."""
    in0, in1 = jnp.clip(u0, 0.0, 1.0), jnp.clip(u1, 0.0, 1.0)
    square0, square1 = in0 * in0, in1 * in1
    if skin_depth is None:
        per = 1 / (2 * bore + thickness)
        within = (square1 * (bore + thickness * in1 / 3) - square0 * (bore + thickness * in0 / 3)) * per
        third, quarter = 2 * bore / 3, thickness / 4
        moment = (square1 * in1 * (third + quarter * in1) - square0 * in0 * (third + quarter * in0)) * per
    else:
        k = thickness / skin_depth
        per_k, per = 1 / k, 1 / jnp.expm1(k)
        e0, e1 = jnp.exp(k * in0), jnp.exp(k * in1)
        rise = (e1 - e0) * per_k
        within = (rise - (in1 - in0)) * per
        moment = ((in1 * e1 - in0 * e0) * per_k - rise * per_k - 0.5 * (square1 - square0)) * per
    beyond0, beyond1 = jnp.maximum(u0 - 1, 0.0), jnp.maximum(u1 - 1, 0.0)
    beyond = beyond1 - beyond0
    return within + beyond, moment + beyond * (1 + 0.5 * (beyond0 + beyond1))


def mean_below(a: jax.Array, b: jax.Array) -> jax.Array:
    """Share of a straight line on which a quantity that goes linearly from a to b is positive: in [0, 1].

    (max(a, 0) - max(b, 0))/(a - b). Shapes broadcast. For |a - b| below 1e-7 the sign of the middle.
    """
    difference = a - b
    flat = jnp.abs(difference) < _EPSILON
    share = (jnp.maximum(a, 0.0) - jnp.maximum(b, 0.0)) / jnp.where(flat, 1.0, difference)
    return jnp.where(flat, jnp.where(a + b > 0, 1.0, 0.0), share)


class Crossing(NamedTuple):
    """What a straight line meets: mean of F, where along it the middle of that part lies (0 to 1), and the shares of
    its length inside the conductors.
    """

    enclosed: jax.Array
    centre: jax.Array
    inner_conductor: jax.Array
    outer_conductor: jax.Array


def crossing(r0: jax.Array, s0: Surfaces, r1: jax.Array, s1: Surfaces, skin_depth: float | None) -> Crossing:
    """Mean of F and shares of the line inside metal, from radius r0 where the surfaces are s0 to r1 where they are s1.

    The distance to every surface is taken to be linear along the line. With u the depth in the inner conductor (0 at
    the bore, 1 at its outer surface), the mean of F is [G(u1) - G(u0)]/(u1 - u0), G being the integral of F. Exact
    for straight surfaces and lines in a plane through the axis. cm; shapes broadcast.
    """
    thick0, thick1 = s0.inner - s0.bore, s1.inner - s1.bore
    u0, u1 = (r0 - s0.bore) / thick0, (r1 - s1.bore) / thick1
    rise = u1 - u0
    rise = jnp.where(jnp.abs(rise) < _ALONG, _ALONG, rise)  # a line along a surface: a nearby line, exact to 1e-10
    u1 = u0 + rise
    per = 1 / rise
    gained, moment = _integrals(u0, u1, 0.5 * (s0.bore + s1.bore), 0.5 * (thick0 + thick1), skin_depth)
    enclosed = gained * per
    metal = (jnp.clip(u1, 0.0, 1.0) - jnp.clip(u0, 0.0, 1.0)) * per
    partial = jnp.abs(gained) > _EPSILON
    centre = jnp.where(partial, (moment / jnp.where(partial, gained, 1.0) - u0) * per, 0.5)
    below_outer = mean_below(s0.outer - r0, s1.outer - r1)
    below_wall = mean_below(s0.wall - r0, s1.wall - r1)
    leaving = s1.outer - r1 < s0.outer - r0
    at_outer = jnp.where(leaving, 0.5 * below_outer, 1 - 0.5 * below_outer)
    centre = jnp.where(below_outer < 1, at_outer, jnp.clip(centre, 0.0, 1.0))
    return Crossing(enclosed * below_outer, centre, metal, below_wall - below_outer)


class Track(NamedTuple):
    """Position (cm), transverse momentum and |p| (GeV) of particles that go along +z; component arrays."""

    x: jax.Array
    y: jax.Array
    px: jax.Array
    py: jax.Array
    p: jax.Array

    def pz(self) -> jax.Array:
        """Longitudinal momentum; never below `STEEPEST` |p|, where a particle counts as turned back."""
        floor = STEEPEST * self.p
        square = self.p * self.p - self.px * self.px - self.py * self.py
        return jnp.sqrt(jnp.maximum(square, floor * floor))


def turned_back(track: Track) -> jax.Array:
    """True where p_z is too small to go on in steps of z."""
    limit = (1 - STEEPEST * STEEPEST) * track.p * track.p
    return track.px * track.px + track.py * track.py >= limit


def radius(x: jax.Array, y: jax.Array) -> jax.Array:
    """sqrt(x^2 + y^2) with a finite gradient on the axis. Shapes broadcast."""
    return jnp.sqrt(x * x + y * y + 1e-24)


class Line(NamedTuple):
    """The straight line of a step: how far it goes in x and y, its length, and the radii of its ends, cm."""

    x: jax.Array
    y: jax.Array
    length: jax.Array
    r0: jax.Array
    r1: jax.Array


def straight(track: Track, dz: jax.Array) -> Line:
    """The line of a step of dz (cm) without field. Shapes broadcast."""
    per = dz / track.pz()
    x, y = per * track.px, per * track.py
    return Line(x, y, per * track.p, radius(track.x, track.y), radius(track.x + x, track.y + y))


def turned(
    track: Track, dz: jax.Array, line: Line, met: Crossing, strength: jax.Array, kept: jax.Array | float = 1.0
) -> Track:
    """The track behind a step of dz (cm) along `line`, which met `met`.

    strength: charge times current, kA. kept: share of |p| that energy loss leaves, taken off half before and half after
    the kick. Second order in dz, also across surfaces. Shapes broadcast; dz = 0 changes nothing.
    """
    x, y = track.x + met.centre * line.x, track.y + met.centre * line.y
    per_square = 1 / (x * x + y * y + 1e-24)
    radial = x * line.x + y * line.y
    across = x * line.y - y * line.x
    share = met.enclosed * per_square
    curved = 1 + (radial * radial - across * across) * share * share * (
        1 / 12
    )  # mean of x/r^2 over the part with field
    half = 0.5 * (1 + kept)
    kick = -BENDING * FIELD_CONSTANT * half * strength * met.enclosed * curved * dz * per_square
    bent = (
        kick * met.enclosed * line.length * line.length * line.length / (6 * jnp.where(dz > 0, dz * dz, 1.0) * track.p)
    )
    kick = kick * (1 - bent)
    px, py = track.px * kept + kick * x, track.py * kept + kick * y
    after = Track(x, y, px, py, track.p * kept)
    rest = (1 - met.centre) * dz / after.pz()
    return after._replace(x=x + rest * px, y=y + rest * py)


def step(
    track: Track, dz: jax.Array, s0: Surfaces, s1: Surfaces, strength: jax.Array, skin_depth: float | None
) -> tuple[Track, Crossing]:
    """One step of dz (cm) in the field, from where the surfaces are s0 to where they are s1: see `turned`.

    Returns the track after it and what its straight line met. |p| is kept exactly.
    """
    line = straight(track, dz)
    met = crossing(line.r0, s0, line.r1, s1, skin_depth)
    return turned(track, dz, line, met, strength), met
