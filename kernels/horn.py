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
from jax.typing import DTypeLike

FIELD_CONSTANT = 0.02  # T cm / kA: mu_0 / (2 pi)
BENDING = 0.299792458e-2  # GeV / (T cm): momentum from field and length, exact
_EPSILON = 1e-7
_ALONG = 1e-3  # smallest change of depth in the conductor, in units of its thickness
_ON_AXIS = 1e-24  # cm2
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


class Profile(NamedTuple):
    """How the current is spread over the depth u of the inner conductor.

    `skin`: F = (exp(k u) - 1)/(exp(k) - 1), k = `rate`; else F = a u + (1 - a) u^2, a = `rate`. `per` = 1/(exp(k) - 1).
    """

    rate: jax.Array
    per: jax.Array


def profile(s0: Surfaces, s1: Surfaces, skin_depth: float | None) -> Profile:
    """The profile half way between two places. Shapes broadcast."""
    bore, thickness = 0.5 * (s0.bore + s1.bore), 0.5 * (s0.inner + s1.inner - s0.bore - s1.bore)
    if skin_depth is None:
        return Profile(2 * bore / (2 * bore + thickness), jnp.ones_like(bore))
    k = thickness / skin_depth
    return Profile(k, 1 / jnp.expm1(k))


def _integrals(u0: jax.Array, u1: jax.Array, of: Profile, skin: bool) -> tuple[jax.Array, jax.Array]:
    """Integrals of F and of (u - u0) F from u0 to u1, both in [0, 1]."""
    if not skin:
        straight, bent = of.rate / 6, (1 - of.rate) / 12
        cube0, cube1 = u0 * u0, u1 * u1
        gained = (cube1 * (3 * straight + 4 * bent * u1)) - (cube0 * (3 * straight + 4 * bent * u0))
        moment = cube1 * u1 * (2 * straight + 3 * bent * u1) - cube0 * u0 * (2 * straight + 3 * bent * u0)
        return gained, moment - u0 * gained
    width = u1 - u0
    per_k = 1 / of.rate
    e0, e1 = jnp.exp(of.rate * u0), jnp.exp(of.rate * u1)
    rise = (e1 - e0) * per_k
    return (rise - width) * of.per, ((width * e1 - rise) * per_k - 0.5 * width * width) * of.per


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


def crossing(r0: jax.Array, s0: Surfaces, r1: jax.Array, s1: Surfaces, of: Profile, skin: bool) -> Crossing:
    """Mean of F and shares of the line inside metal, from radius r0 where the surfaces are s0 to r1 where they are s1.

    The distance to every surface is taken to be linear along the line. With u the depth in the inner conductor (0 at
    the bore, 1 at its outer surface), means are integrals over u, in closed form. Exact for straight surfaces and lines
    in a plane through the axis. A line that goes less deep than 1e-3 of the thickness is taken as one of that depth
    about its middle: right to 1e-7. cm; shapes broadcast; single or double precision.
    """
    u0, u1 = (r0 - s0.bore) / (s0.inner - s0.bore), (r1 - s1.bore) / (s1.inner - s1.bore)
    width = jnp.maximum(jnp.abs(u1 - u0), _ALONG)
    low = 0.5 * (u0 + u1 - width)  # the line taken from its lower end on
    per = 1 / width
    enter, leave = jnp.clip(-low * per, 0.0, 1.0), jnp.clip((1 - low) * per, 0.0, 1.0)
    within, moment = _integrals(jnp.clip(low, 0.0, 1.0), jnp.clip(low + width, 0.0, 1.0), of, skin)
    within, beyond = within * per, 1 - leave
    enclosed = within + beyond
    first = moment * per * per + enter * within + beyond * (1 - 0.5 * beyond)
    some = enclosed > _EPSILON
    centre = jnp.where(some, first / jnp.where(some, enclosed, 1.0), 0.5)
    centre = jnp.clip(jnp.where(u1 < u0, 1 - centre, centre), 0.0, 1.0)
    below_outer = mean_below(s0.outer - r0, s1.outer - r1)
    below_wall = mean_below(s0.wall - r0, s1.wall - r1)
    leaving = s1.outer - r1 < s0.outer - r0
    at_outer = jnp.where(leaving, 0.5 * below_outer, 1 - 0.5 * below_outer)
    centre = jnp.where(below_outer < 1, at_outer, centre)
    return Crossing(enclosed * below_outer, centre, leave - enter, below_wall - below_outer)


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

    def cast(self, to: DTypeLike) -> "Track":
        """The same track in another precision."""
        return Track(*(a.astype(to) for a in self))


def turned_back(track: Track) -> jax.Array:
    """True where p_z is too small to go on in steps of z."""
    limit = (1 - STEEPEST * STEEPEST) * track.p * track.p
    return track.px * track.px + track.py * track.py >= limit


def radius(x: jax.Array, y: jax.Array) -> jax.Array:
    """sqrt(x^2 + y^2) with a finite gradient on the axis. Shapes broadcast."""
    return jnp.sqrt(x * x + y * y + _ON_AXIS)


class Line(NamedTuple):
    """The straight line of a step: its start, how far it goes in x and y, its length, the radii of its ends (cm), and
    dz/p_z.
    """

    x0: jax.Array
    y0: jax.Array
    x: jax.Array
    y: jax.Array
    length: jax.Array
    r0: jax.Array
    r1: jax.Array
    per: jax.Array


def straight(track: Track, dz: jax.Array) -> Line:
    """The line of a step of dz (cm) without field. Shapes broadcast."""
    per = dz / track.pz()
    x, y = per * track.px, per * track.py
    r0, r1 = radius(track.x, track.y), radius(track.x + x, track.y + y)
    return Line(track.x, track.y, x, y, per * track.p, r0, r1, per)


def turned(
    track: Track, dz: jax.Array, line: Line, met: Crossing, strength: jax.Array, kept: jax.Array | float = 1.0
) -> Track:
    """The track behind a step of dz (cm) along `line`, which met `met`.

    strength: charge times current, kA. kept: share of |p| that energy loss leaves, taken off half before and half after
    the kick. Second order in dz, also across surfaces. Shapes broadcast; dz = 0 changes nothing. `line`, `met`, dz and
    strength may be of single precision: changes of x, y, p_x, p_y are then right to 1e-7 of themselves, and L_z and |p|
    are as good as the track.
    """
    x, y = line.x0 + met.centre * line.x, line.y0 + met.centre * line.y
    per_square = 1 / (x * x + y * y + _ON_AXIS)
    radial = x * line.x + y * line.y
    across = x * line.y - y * line.x
    share = met.enclosed * per_square
    # mean of x/r^2 over the part with field
    curved = 1 + (radial * radial - across * across) * share * share * (1 / 12)
    half = 0.5 * (1 + kept)
    kick = -BENDING * FIELD_CONSTANT * half * strength * met.enclosed * curved * dz * per_square
    steep = line.length / jnp.where(dz > 0, dz, 1.0)  # p/p_z
    bent = kick * met.enclosed * line.length * steep * steep / (6 * track.p.astype(kick.dtype))
    first = met.centre * line.per
    first, kick, left = (jnp.asarray(a).astype(track.p.dtype) for a in (first, kick * (1 - bent), kept))
    x, y = track.x + first * track.px, track.y + first * track.py
    px, py = track.px * left + kick * x, track.py * left + kick * y
    after = Track(x, y, px, py, track.p * left)
    rest = ((1 - met.centre) * dz / after.cast(line.per.dtype).pz()).astype(track.p.dtype)
    return after._replace(x=x + rest * px, y=y + rest * py)


def step(
    track: Track, dz: jax.Array, s0: Surfaces, s1: Surfaces, strength: jax.Array, skin_depth: float | None
) -> tuple[Track, Crossing]:
    """One step of dz (cm) in the field, from where the surfaces are s0 to where they are s1: see `turned`.

    Returns the track after it and what its straight line met. |p| is kept exactly.
    """
    line = straight(track, dz)
    met = crossing(line.r0, s0, line.r1, s1, profile(s0, s1, skin_depth), skin_depth is not None)
    return turned(track, dz, line, met, strength), met
