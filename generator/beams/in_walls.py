"""What decays in the steel and concrete about a decay region: muons on their way to rest, and mesons at rest."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.fluxes.wall_passage import MATERIALS, passage
from darkhorn.generator.beams.rays import (
    Flown,
    Rays,
    TimedPlace,
    Walls,
    joined_rays,
    path_to_wall,
    seconds_per_length,
)
from darkhorn.generator.beams.sources import one_of
from darkhorn.generator.streams import uniforms
from darkhorn.kernels.kinematics import Vector, along, boost_from_rest, boost_to_rest, four
from darkhorn.kernels.trigonometry import sincos2pi

# Strong interactions keep strangeness: a K+ that interacts comes out as K+ or K0 until it is too slow. Charge exchange
# makes both equally likely on nuclei with as many protons as neutrons. A guess from isospin, not a fit; uncertain by
# a third.
STOPPING_KAONS = 0.5


class Passages(NamedTuple):
    """`fluxes.wall_passage.Passage` of steel (0) and concrete (1): arrays (2, nodes)."""

    momentum: jax.Array
    distance: jax.Array
    ends: jax.Array
    variance: jax.Array
    time: jax.Array

    def at(self, x: jax.Array, xs: jax.Array, ys: jax.Array, concrete: jax.Array) -> jax.Array:
        """Linear interpolation of ys (2, nodes) in xs, in the material of each x. Shapes (n,)."""
        found = [jnp.interp(x, a, b) for a, b in zip(xs, ys, strict=True)]
        return jnp.where(concrete, found[1], found[0])


def passages(pdg: int) -> Passages:
    """The tables of mu (13) or pi+ (211)."""
    both = zip(*(passage(pdg, name) for name in MATERIALS), strict=True)
    return Passages(*(jnp.stack([jnp.asarray(column) for column in pair]) for pair in both))


def _in_concrete(z: jax.Array, w: Walls) -> jax.Array:
    """The wall is concrete between the last two rings, and steel elsewhere: collimator and dump."""
    return (z > w.z[-2]) & (z < w.end - 1.0)


def at_wall(place: TimedPlace, mass: jax.Array, ctau: jax.Array, absorption: jax.Array, w: Walls) -> TimedPlace:
    """Where particles reach the wall or the dump, with the weight that has neither decayed nor interacted. Shapes (n,).

    Particles that fly backward are lost: weight 0.
    """
    p = place.momentum.norm()
    far = path_to_wall(place.x, place.y, place.z, place.momentum, w)
    left = jnp.exp(-far * (mass / (p * ctau) + 1 / absorption))
    d = place.momentum.scale(far / p)
    weight = jnp.where(place.momentum.z > 0, place.weight * left, 0.0)
    time = place.time + far * seconds_per_length(p, mass)
    return TimedPlace(place.x + d.x, place.y + d.y, place.z + d.z, place.momentum, weight, time)


@jax.jit
def muons_in_walls(
    there: TimedPlace,
    before: Vector,
    before_mass: jax.Array,
    mass: jax.Array,
    extrapolated: jax.Array,
    tables: Passages,
    w: Walls,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
) -> Rays:
    """Two rays per muon that reaches a wall: its decay in flight while it slows down, and its decay at rest. (2n,).

    The wall takes all muons. Energy loss is the mean;
    the direction has the multiple scattering so far, the path stays straight. before: momentum of the meson that made
    the muon (0: not polarised), before_mass: its mass; the spin keeps its direction in the muon's rest frame. Times
    of muons at rest are those of coming to rest (`rays.after_rest` adds the life).
    """
    u = uniforms(key, low, high, 3)
    concrete = _in_concrete(there.z, w)
    p0 = there.momentum.norm()
    grid = jnp.log(tables.momentum)
    start = jnp.log(p0)
    range0, ends0, variance0, time0 = (tables.at(start, grid, column, concrete) for column in tables[1:])
    chance = -jnp.expm1(-ends0)
    now = tables.at(ends0 + jnp.log1p(-u[0] * chance), tables.ends, grid, concrete)
    p = jnp.exp(now)
    s = range0 - tables.at(now, grid, tables.distance, concrete)
    variance = jnp.maximum(variance0 - tables.at(now, grid, tables.variance, concrete), 0.0)
    angle = jnp.minimum(jnp.sqrt(-2 * jnp.log1p(-u[1]) * variance), 1.5)
    sine, cosine = sincos2pi(u[2])
    d = there.momentum.scale(1 / p0)
    across = p * jnp.sin(angle)
    slowed = along(d, across * cosine, across * sine, p * jnp.cos(angle))
    parent = four(jnp.sqrt(before.dot(before) + before_mass * before_mass), before)
    muon0 = four(jnp.sqrt(p0 * p0 + mass * mass), there.momentum)
    at_rest = boost_to_rest(parent, muon0, mass)
    same_spin = boost_from_rest(at_rest, four(jnp.sqrt(p * p + mass * mass), slowed), mass)
    known = jnp.where(before.dot(before) > 0, 1.0, 0.0)
    time = there.time + time0 - tables.at(now, grid, tables.time, concrete)
    decay = TimedPlace(there.x + s * d.x, there.y + s * d.y, there.z + s * d.z, slowed, there.weight * chance, time)
    stop = TimedPlace(
        there.x + range0 * d.x,
        there.y + range0 * d.y,
        there.z + range0 * d.z,
        slowed.scale(jnp.zeros(())),
        there.weight * (1 - chance),
        there.time + time0,
    )
    spins = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), same_spin.p.scale(known), at_rest.p.scale(known))
    return joined_rays([decay, stop], extrapolated, spins)


@jax.jit
def kaons_at_rest(
    outcome: Flown,
    extrapolated: jax.Array,
    mass: jax.Array,
    ctau: jax.Array,
    absorption: jax.Array,
    w: Walls,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
) -> Rays:
    """Two rays per K+: at rest where it interacted, stopped or turned back in target and horn; and in a wall. (2n,).

    Each with `STOPPING_KAONS` of the weight that ends there; the way from the place of interaction to rest is left out.
    Times are those of coming to rest (`rays.after_rest` adds the life).
    """
    ends = outcome.leaving
    near = one_of((outcome.interaction, ends._replace(weight=outcome.stopped + outcome.turned)), key, low, high)
    far = at_wall(ends, mass, ctau, absorption, w)
    return joined_rays([_resting(near, STOPPING_KAONS), _resting(far, STOPPING_KAONS)], extrapolated)


def _resting(place: TimedPlace, share: jax.Array | float) -> TimedPlace:
    return place._replace(momentum=place.momentum.scale(jnp.zeros(())), weight=share * place.weight)


@jax.jit
def pions_at_rest(
    outcome: Flown,
    extrapolated: jax.Array,
    mass: jax.Array,
    ctau: jax.Array,
    absorption: jax.Array,
    tables: Passages,
    w: Walls,
) -> Rays:
    """Two rays per pi+: at rest where it stopped in target and horn; and in a wall, if nothing takes it. (2n,)."""
    ends = outcome.leaving
    near = ends._replace(weight=outcome.stopped)
    far = at_wall(ends, mass, ctau, absorption, w)
    p = jnp.log(far.momentum.norm())
    survives = jnp.exp(-tables.at(p, jnp.log(tables.momentum), tables.ends, _in_concrete(far.z, w)))
    return joined_rays([_resting(near, 1.0), _resting(far, survives)], extrapolated)
