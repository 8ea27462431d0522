"""Particles through target and horn: field, energy loss, scattering, absorption and decay, in slabs of z.

Nothing is thrown away at random: a particle carries a weight that absorption and decay take down, and one place of
decay and one of interaction are kept for each, chosen with the probability with which it decays, or interacts, there
(a reservoir of size one). So the weight that comes in equals what goes out, decays, interacts, stops and turns back.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.beam_hadrons import hadron_model
from darkhorn.fluxes.decay_line import CTAU_CM
from darkhorn.fluxes.hadron_cross_sections import CHARGES, MASSES, STEP
from darkhorn.generator.beams.targets import Fin, Rod, shape_of, share_inside
from darkhorn.generator.beams.transport import Slabs, part_of_slab, planes, skin_depth_of, slabs
from darkhorn.generator.streams import uniform_pair
from darkhorn.geometry.beamlines import Beamline
from darkhorn.kernels.horn import Track, radius, step, turned_back
from darkhorn.kernels.kinematics import Vector, transverse_axes
from darkhorn.kernels.matter import SLOPE_OF_NUCLEON, elastic_angle_squared, elastic_slope, scattering_variance
from darkhorn.kernels.trigonometry import sincos2pi

Array = NDArray[np.float64]
SLAB = 2.5  # cm: largest step; angles of 68 % of the pions are right to 0.12 mrad (benchmarks/beam_transport.py)
SLOWEST = 0.05  # GeV/c: slower particles stop
CTAU = {pdg: CTAU_CM[abs(pdg)] for pdg in (211, -211, 321, -321, 130)} | {2212: np.inf, 2112: np.inf}  # cm
_RADIATION_LENGTH_ALUMINIUM = 24.01 / 2.699  # cm: PDG tables of materials
_PURPOSE = np.uint32(64)  # dimensions below are for sources


class Start(NamedTuple):
    """Particles where they are made: z (cm), track, weight. Component arrays (n,)."""

    z: jax.Array
    track: Track
    weight: jax.Array


class Place(NamedTuple):
    """Where something happened: position (cm), momentum (GeV) there, and the weight of it. Arrays (n,)."""

    x: jax.Array
    y: jax.Array
    z: jax.Array
    momentum: Vector
    weight: jax.Array


class Outcome(NamedTuple):
    """What became of particles: `leaving` at the exit plane, `decay`, `interaction`; weights that `stopped` (too slow,
    or on the wall of the chase) or `turned` back. Their weights add up to that of the start.
    """

    leaving: Place
    decay: Place
    interaction: Place
    stopped: jax.Array
    turned: jax.Array


class Medium(NamedTuple):
    """Arrays for `propagate`: the slabs, which of them hold target, its shape, cross-sections (see `HadronModel`).

    radiation, slope    radiation length (cm) and slope of elastic scattering (GeV^-2) of the target
    gas                 interactions per cm outside target and conductors
    chase               radius beyond which particles are lost, cm
    """

    slabs: Slabs
    in_target: jax.Array
    shape: Rod | Fin
    table: jax.Array
    mass: jax.Array
    charge: jax.Array
    ctau: jax.Array
    radiation: jax.Array
    slope: jax.Array
    gas: jax.Array
    chase: jax.Array


def medium(beam: Beamline, pdg: int, mode: str, slab: float = SLAB) -> Medium:
    """What particles `pdg` meet in a beam in `mode`: "neutrino", "antineutrino" (reversed current) or "off"."""
    sign = {"neutrino": 1.0, "antineutrino": -1.0, "off": 0.0}[mode]
    target = beam.target
    hadrons = hadron_model(target.material, target.momentum, target.density)
    z = planes(beam.horns, target.start, beam.exit, slab, (target.start, target.end))
    if beam.drift is not None:
        z = _without_short_drifts(beam, z, beam.drift)
    grid = slabs(beam.horns, z)
    middle = 0.5 * (z[1:] + z[:-1])
    return Medium(
        grid._replace(current=grid.current * sign),
        jnp.asarray((middle > target.start) & (middle < target.end), jnp.float64),
        shape_of(target),
        jnp.asarray(hadrons.table(pdg)),
        jnp.asarray(MASSES[pdg]),
        jnp.asarray(CHARGES[pdg]),
        jnp.asarray(CTAU[pdg]),
        jnp.asarray(hadrons.radiation_length),
        jnp.asarray(elastic_slope(hadrons.mass_number)),
        jnp.asarray(1 / beam.gas),
        jnp.asarray(beam.chase),
    )


def _without_short_drifts(beam: Beamline, z: Array, drift: float) -> Array:
    """Planes without those outside target and horns, where `drift` is step enough for a straight line."""
    held = [(beam.target.start, beam.target.end)]
    held += [(h.z_cm + h.horn.start_cm, h.z_cm + h.horn.end_cm) for h in beam.horns]
    needed = np.any([(z >= low - 1e-9) & (z <= high + 1e-9) for low, high in held], axis=0)
    needed[[0, -1]] = True
    kept = z[needed]
    parts = [np.linspace(a, b, max(int(np.ceil((b - a) / drift)), 1) + 1)[:-1] for a, b in pairwise(kept)]
    return np.concatenate([*parts, kept[-1:]])


class _State(NamedTuple):
    """What is carried from slab to slab: track, weight, thickness so far (radiation lengths), reservoirs, losses."""

    track: Track
    weight: jax.Array
    thickness: jax.Array
    decay: Place
    interaction: Place
    stopped: jax.Array
    turned: jax.Array


class _Item(NamedTuple):
    """A slab: its number, its surfaces and field, 1 where it holds target."""

    number: jax.Array
    slab: Slabs
    in_target: jax.Array


def _rotated(track: Track, angle: jax.Array, turn: jax.Array) -> Track:
    """The direction moved by `angle` (rad, small) in the azimuth `turn` (turns) about it."""
    d = Vector(track.px / track.p, track.py / track.p, track.pz() / track.p)
    a, b = transverse_axes(d)
    sine, cosine = sincos2pi(turn)
    away = a.scale(angle * cosine).plus(b.scale(angle * sine))
    new = d.plus(away).scale(track.p / jnp.sqrt(1 + angle * angle))
    return track._replace(px=new.x, py=new.y)


def _kept(
    old: Place, part: jax.Array, u: jax.Array, before: Track, after: Track, end: jax.Array, dz: jax.Array
) -> Place:
    """A reservoir with a new part of weight from this slab. One number chooses, and says where along the slab."""
    total = old.weight + part
    chance = part / jnp.where(total > 0, total, 1.0)
    yes = u < chance
    along = jnp.clip(u / jnp.where(yes, chance, 1.0), 0.0, 1.0)
    here = Place(
        before.x + along * (after.x - before.x),
        before.y + along * (after.y - before.y),
        end - (1 - along) * dz,
        Vector(before.px, before.py, before.pz()),
        total,
    )
    chosen: Place = jax.tree.map(lambda new, was: jnp.where(yes, new, was), here, old)
    return chosen._replace(weight=total)


def _numbers(key: jax.Array, low: jax.Array, high: jax.Array, first: jax.Array) -> jax.Array:
    """Six uniform numbers per particle, (6, n). A loop, so that no consumer makes them again (see `streams`)."""

    def pair(dimension: jax.Array) -> jax.Array:
        return jnp.stack(uniform_pair(key, low, high, dimension))

    found: jax.Array = jax.lax.map(pair, first + jnp.arange(3, dtype=jnp.uint32))
    return found.reshape(6, *low.shape)


@partial(jax.jit, static_argnames=("skin_depth", "scatter"))
def propagate(
    start: Start,
    through: Medium,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
    skin_depth: float | None,
    scatter: bool = True,
) -> Outcome:
    """Carry particles to the exit plane. Shapes (n,); key, low, high as for `streams.uniforms`.

    In each slab: one step in the field, with the shares of its length in target and conductors; then energy loss,
    absorption (inelastic), decay, multiple scattering (difference of the variance of the thickness so far) and
    elastic scattering on nuclei. scatter=False leaves out what is random in direction.
    """

    def body(state: _State, item: _Item) -> tuple[_State, None]:
        track, slab = state.track, item.slab
        dz, entry = part_of_slab(slab, start.z)
        path = dz * track.p / track.pz()
        after, met = step(track, dz, entry, slab.at_high, through.charge * slab.current, skin_depth)
        in_target = item.in_target * share_inside(through.shape, track.x, track.y, after.x, after.y) * path
        in_al = (met.inner_conductor + met.outer_conductor) * path
        place = jnp.clip(track.p / STEP, 0.0, through.table.shape[0] - 1.001)
        cell = place.astype(jnp.int32)
        f = (place - cell.astype(place.dtype))[:, None]
        row = through.table[cell] * (1 - f) + through.table[cell + 1] * f
        absorbed = in_target * row[:, 0] + in_al * row[:, 2] + path * through.gas
        decayed = path * through.mass / (track.p * through.ctau)
        total = absorbed + decayed
        gone = state.weight * -jnp.expm1(-total)
        per = gone / jnp.where(total > 0, total, 1.0)
        u = _numbers(key, low, high, _PURPOSE + 3 * item.number)
        decay = _kept(state.decay, per * decayed, u[0], track, after, slab.high, dz)
        interaction = _kept(state.interaction, per * absorbed, u[1], track, after, slab.high, dz)
        weight = state.weight - gone
        p = after.p - (in_target * row[:, 4] + in_al * row[:, 5])
        slow = (p < SLOWEST) | (radius(after.x, after.y) > through.chase)
        p = jnp.maximum(p, SLOWEST)
        after = after._replace(px=after.px * p / after.p, py=after.py * p / after.p, p=p)
        back = turned_back(after) & ~slow
        stopped = state.stopped + jnp.where(slow, weight, 0.0)
        turned = state.turned + jnp.where(back, weight, 0.0)
        weight = jnp.where(slow | back, 0.0, weight)
        thickness = state.thickness
        if scatter:
            charged = jnp.abs(through.charge)
            beta = p / jnp.sqrt(p * p + through.mass * through.mass)
            more = thickness + charged * (in_target / through.radiation + in_al / _RADIATION_LENGTH_ALUMINIUM)
            variance = scattering_variance(more, p, beta) - scattering_variance(thickness, p, beta)
            squared = -2 * jnp.log(u[2]) * jnp.maximum(variance, 0.0)
            target, al = in_target * row[:, 1], in_al * row[:, 3]
            knocked = in_target * row[:, 6] + in_al * row[:, 7]  # a nucleon, by quasi-elastic scattering
            hit = u[4] < -jnp.expm1(-(target + al + knocked))
            slope = jnp.where(target > al, through.slope, elastic_slope(27.0))  # the likelier of both in the slab
            slope = jnp.where(u[4] < -jnp.expm1(-knocked), SLOPE_OF_NUCLEON, slope)
            squared = squared + jnp.where(hit, elastic_angle_squared(u[5], p, slope), 0.0)
            thickness = more
            after = _rotated(after, jnp.sqrt(squared + 1e-30), u[3])
        return _State(after, weight, thickness, decay, interaction, stopped, turned), None

    zero = jnp.zeros_like(start.weight)
    nowhere = Place(zero, zero, start.z, Vector(zero, zero, start.track.p), zero)
    numbers = jnp.arange(through.in_target.shape[0], dtype=jnp.uint32)
    initial = _State(start.track, start.weight, zero, nowhere, nowhere, zero, zero)
    end = jax.lax.scan(body, initial, _Item(numbers, through.slabs, through.in_target))[0]
    track = end.track
    momentum = Vector(track.px, track.py, track.pz())
    leaving = Place(track.x, track.y, zero + through.slabs.high[-1], momentum, end.weight)
    return Outcome(leaving, end.decay, end.interaction, end.stopped, end.turned)


def skin_depth(beam: Beamline) -> float | None:
    """The static argument of `propagate` for a beam."""
    return skin_depth_of(beam.horns)
