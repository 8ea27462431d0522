"""Rays: particles at the place where they decay, each standing for `weight` decays per proton on target."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.fluxes.charged_daughters import CTAU_SHORT
from darkhorn.generator.beams.propagate import Outcome, Place, Start
from darkhorn.generator.streams import uniforms
from darkhorn.geometry.beamlines import DecayRegion
from darkhorn.kernels.constants import MASS_NEUTRAL_KAON, MASS_PION, SPEED_OF_LIGHT
from darkhorn.kernels.flight import decay_distance
from darkhorn.kernels.horn import Track
from darkhorn.kernels.kinematics import Vector, boost_from_rest, direction, four
from darkhorn.kernels.sampling import table_lookup
from darkhorn.kernels.trigonometry import sincos2pi

PRIMARY, NUCLEON, TERTIARY, STOPPED, KAON = 0, 1, 2, 3, 4
ORIGINS = ("primary", "secondary nucleon", "tertiary pion", "stopped", "pion of a kaon")


class Rays(NamedTuple):
    """Decays of one species. Component arrays (n,), beam frame.

    x, y, z      place of the decay, cm
    momentum     of the particle that decays, GeV
    weight       decays per proton on target that the ray stands for; branching ratios are not in it
    before       for a muon, momentum (GeV) of the meson that made it, where it did, which fixes its spin; else 0
    extrapolated whether the meson that left the nucleus was outside the range of the production data
    time         of the decay, ns; 0 is when the proton crosses z = 0 of the beam
    Of all rays of a batch: pdg of the particle, and `origin`, an index into ORIGINS.
    """

    x: jax.Array
    y: jax.Array
    z: jax.Array
    momentum: Vector
    weight: jax.Array
    before: Vector
    extrapolated: jax.Array
    time: jax.Array


class TimedPlace(NamedTuple):
    """`propagate.Place` and its time: ns after the proton crossed z = 0 of the beam. Arrays (n,)."""

    x: jax.Array
    y: jax.Array
    z: jax.Array
    momentum: Vector
    weight: jax.Array
    time: jax.Array

    @property
    def place(self) -> Place:
        """Without the time."""
        return Place(*self[:5])


class Flown(NamedTuple):
    """`propagate.Outcome` with times."""

    leaving: TimedPlace
    decay: TimedPlace
    interaction: TimedPlace
    stopped: jax.Array
    turned: jax.Array


def seconds_per_length(momentum: jax.Array, mass: jax.Array | float) -> jax.Array:
    """1/(beta c) in ns/cm; momentum > 0. Shapes broadcast; GeV."""
    return jnp.sqrt(momentum * momentum + mass * mass) / (momentum * SPEED_OF_LIGHT)


@jax.jit
def timed(outcome: Outcome, start: Start, time: jax.Array, mass: jax.Array) -> Flown:
    """The outcome of `start`, which was at `time` (ns), with times. Shapes (n,).

    The flight takes the straight line between start and end at the mean of 1/beta at both. What that leaves out: the
    bend of the track, and how the energy loss is spread. The bend in the horn of the BNB: below 0.05 ns for 99 % of
    pions of 0.3 to 4 GeV/c, 0.14 ns for those of 0.15 to 0.3 GeV/c.
    """
    t = start.track

    def at(place: Place) -> TimedPlace:
        away = Vector(place.x - t.x, place.y - t.y, place.z - start.z).norm()
        slow = seconds_per_length(t.p, mass) + seconds_per_length(place.momentum.norm(), mass)
        return TimedPlace(*place, time + 0.5 * away * slow)

    return Flown(at(outcome.leaving), at(outcome.decay), at(outcome.interaction), outcome.stopped, outcome.turned)


class Walls(NamedTuple):
    """`geometry.beamlines.DecayRegion` as arrays (m,), with the end, and the interaction length of pions in the gas."""

    z: jax.Array
    radius: jax.Array
    end: jax.Array
    gas: jax.Array


def walls(region: DecayRegion) -> Walls:
    """Arrays of a decay region."""
    z, r = zip(*region.rings, strict=True)
    return Walls(jnp.asarray(z), jnp.asarray(r), jnp.asarray(region.end), jnp.asarray(region.gas))


def path_to_wall(x: jax.Array, y: jax.Array, z: jax.Array, momentum: Vector, w: Walls) -> jax.Array:
    """Distance (cm) along a straight line to the wall, or to the end; 0 for a start outside, or p_z <= 0. Shapes (n,).

    In front of the first ring, and behind the last, there is no wall. Between two rings the wall is a cone: the first
    solution of |r + s t|^2 = R(t)^2 in t = z, in closed form.
    """
    ahead = momentum.z > 0
    pz = jnp.where(ahead, momentum.z, 1.0)
    sx, sy = momentum.x / pz, momentum.y / pz
    reach = jnp.maximum(w.end - z, 0.0)
    stop = reach
    count = w.z.shape[0]
    for i in range(count):
        # a disc with a hole: outside it at the plane of the ring is the wall
        t = w.z[i] - z
        r2 = (x + sx * t) ** 2 + (y + sy * t) ** 2
        stop = jnp.where((t > 0) & (r2 > w.radius[i] ** 2), jnp.minimum(stop, t), stop)
        if i + 1 == count:
            break
        slope = (w.radius[i + 1] - w.radius[i]) / (w.z[i + 1] - w.z[i])
        here = w.radius[i] - slope * t  # radius of the cone at the start, extended
        a = sx * sx + sy * sy - slope * slope
        b = x * sx + y * sy - here * slope
        c = x * x + y * y - here * here
        root = jnp.sqrt(jnp.maximum(b * b - a * c, 0.0))
        for sign in (1.0, -1.0):
            solution = (-b + sign * root) / jnp.where(jnp.abs(a) > 1e-15, a, 1e-15)
            inside = (solution > jnp.maximum(t, 0.0)) & (solution < w.z[i + 1] - z) & (b * b >= a * c)
            stop = jnp.where(inside, jnp.minimum(stop, solution), stop)
        outside = (t <= 0) & (w.z[i + 1] > z) & (c > 0)
        stop = jnp.where(outside, 0.0, stop)
    return jnp.where(ahead, stop * jnp.sqrt(1 + sx * sx + sy * sy), 0.0)


def fly(
    place: TimedPlace, u: jax.Array, mass: jax.Array, ctau: jax.Array, absorption: jax.Array, w: Walls
) -> TimedPlace:
    """Forced decay on a straight line to the wall: the place of the decay, its probability in the weight. u: (n,).

    absorption: interaction length in the gas, cm (inf for muons). Shapes (n,).
    """
    p = place.momentum.norm()
    far = path_to_wall(place.x, place.y, place.z, place.momentum, w)
    length = p / mass * ctau
    both = 1 / (1 / length + 1 / absorption)
    s = decay_distance(u, jnp.zeros_like(far), far, both)
    probability = both / length * -jnp.expm1(-far / both)
    d = place.momentum.scale(s / p)
    time = place.time + s * seconds_per_length(p, mass)
    return TimedPlace(place.x + d.x, place.y + d.y, place.z + d.z, place.momentum, place.weight * probability, time)


def joined_rays(places: list[TimedPlace], extrapolated: jax.Array, before: Vector | None = None) -> Rays:
    """Rays of one or more places per particle, one behind the other; extrapolated: (n,), of the particles."""
    joined: TimedPlace = jax.tree.map(lambda *a: jnp.concatenate(a), *places) if len(places) > 1 else places[0]
    zero = jnp.zeros_like(joined.weight)
    known = jnp.concatenate([extrapolated] * len(places))
    before = before or Vector(zero, zero, zero)
    return Rays(joined.x, joined.y, joined.z, joined.momentum, joined.weight, before, known, joined.time)


@jax.jit
def after_rest(rays: Rays, ctau: jax.Array, key: jax.Array, low: jax.Array, high: jax.Array) -> Rays:
    """Rays at rest, which decay after an exponential time of mean ctau/c (cm). Shapes (n,)."""
    u = uniforms(key, low, high, 1)[0]
    return rays._replace(time=rays.time - ctau / SPEED_OF_LIGHT * jnp.log1p(-u))


@jax.jit
def rays_of(
    outcome: Flown,
    extrapolated: jax.Array,
    mass: jax.Array,
    ctau: jax.Array,
    w: Walls,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
) -> Rays:
    """Two rays per particle: its decay in target and horn, and its decay behind them. Shapes: (n,) in, (2n,) out."""
    u = uniforms(key, low, high, 1)[0]
    return joined_rays([outcome.decay, fly(outcome.leaving, u, mass, ctau, w.gas, w)], extrapolated)


@jax.jit
def daughters(
    rays: Rays,
    number: jax.Array,
    mass: jax.Array,
    daughter_mass: jax.Array,
    momenta: jax.Array,
    ctau: jax.Array,
    absorption: jax.Array,
    w: Walls,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
    remember: jax.Array,
) -> tuple[Rays, TimedPlace]:
    """Rays of a charged daughter, emitted isotropically with one of `momenta` (quantiles, GeV) in the rest frame, that
    decays in flight on its straight line (no field); and where it was born. number: daughters per decay; remember: 1
    keeps the momentum of the parent, for polarised muons. Shapes (n,).
    """
    u = uniforms(key, low, high, 4)
    star = table_lookup(momenta, u[3] * (momenta.shape[0] - 1))
    q = emitted(rays.momentum, mass, daughter_mass, star, u[0], u[1])
    place = TimedPlace(rays.x, rays.y, rays.z, q, rays.weight * number, rays.time)
    made = joined_rays([fly(place, u[2], daughter_mass, ctau, absorption, w)], rays.extrapolated)
    return made._replace(before=rays.momentum.scale(remember)), place


def emitted(
    parent: Vector, mass: jax.Array, daughter_mass: jax.Array, star: jax.Array, u: jax.Array, v: jax.Array
) -> Vector:
    """Lab momentum of a daughter emitted isotropically with momentum star (GeV) in the parent's rest frame. (n,)."""
    sine, cosine = sincos2pi(v)
    k = direction(2 * u - 1, sine, cosine).scale(star)
    whole = four(jnp.sqrt(parent.dot(parent) + mass * mass), parent)
    return boost_from_rest(four(jnp.sqrt(star * star + daughter_mass * daughter_mass) + 0 * k.x, k), whole, mass).p


@jax.jit
def pions_of_short_kaons(
    kaons: Start, momenta: jax.Array, number: jax.Array, key: jax.Array, low: jax.Array, high: jax.Array
) -> tuple[Start, jax.Array]:
    """Pions of K0_S that decay in flight, without matter on their way (2.7 cm p/m), and the time (ns) of that flight.
    Shapes (n,).
    """
    u = uniforms(key, low, high, 4)
    t = kaons.track
    p = Vector(t.px, t.py, t.pz())
    s = -jnp.log1p(-u[0]) * CTAU_SHORT / MASS_NEUTRAL_KAON  # cm per GeV
    star = table_lookup(momenta, u[3] * (momenta.shape[0] - 1))
    q = emitted(p, jnp.asarray(MASS_NEUTRAL_KAON), jnp.asarray(MASS_PION), star, u[1], u[2])
    size = q.norm()
    forward = q.z > 0.06 * size
    track = Track(t.x + s * p.x, t.y + s * p.y, q.x, q.y, size)
    delay = s * jnp.sqrt(p.dot(p) + MASS_NEUTRAL_KAON**2) / SPEED_OF_LIGHT
    return Start(kaons.z + s * p.z, track, jnp.where(forward, kaons.weight * number, 0.0)), delay


def stopped_kaons(per_proton: float, z: float, number: int) -> Rays:
    """Positive kaons at rest on the axis at z (cm): `number` equal rays, together `per_proton` per proton on target,
    there as fast as light. They have not lived yet: see `after_rest`.
    """
    zero = jnp.zeros(number)
    nothing = Vector(zero, zero, zero)
    outside = jnp.ones(number, bool)
    time = zero + z / SPEED_OF_LIGHT
    return Rays(zero, zero, zero + z, nothing, zero + per_proton / number, nothing, outside, time)
