"""Particles through target and horn: field, energy loss, scattering, absorption and decay.

Steps in the field are as short as the softest particle needs; matter acts once in every block of them. Nothing is
thrown away at random: a particle carries a weight that absorption and decay take down, and one place of decay and one
of interaction are kept for each, chosen with the probability with which it decays, or interacts, there (a reservoir of
size one). So the weight that comes in equals what goes out, decays, interacts, stops and turns back.
"""

from collections.abc import Callable
from functools import partial
from math import gcd
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.beam_hadrons import hadron_model
from darkhorn.fluxes.decay_line import CTAU_CM
from darkhorn.fluxes.hadron_cross_sections import CHARGES, MASSES, STEP
from darkhorn.generator.beams.targets import Shape, shape_of, share_inside
from darkhorn.generator.beams.transport import Slabs, held, planes, skin_depth_of, slabs, with_drifts
from darkhorn.generator.one_kernel import WIDE, as_one_kernel, made_once
from darkhorn.generator.streams import stream_of, uniform_pair_of
from darkhorn.geometry.beamlines import Beamline
from darkhorn.kernels.horn import Surfaces, Track, crossing, profile, radius, straight, turned, turned_back
from darkhorn.kernels.kinematics import Vector, transverse_axes
from darkhorn.kernels.matter import SLOPE_OF_NUCLEON, elastic_slope, scattering_variance
from darkhorn.kernels.trigonometry import sincos2pi

Array = NDArray[np.float64]
BLOCK = 10.0  # cm: matter acts once in every block of this length; behind the target, of twice of it
SLAB = 10.0  # cm: longest step in the field; then 1/2, 1/4, ... of it
# GeV/c: a particle slower than the k-th takes steps of SLAB/2^(k+1), in blocks that hold target and behind it; chosen
# for 0.4 mrad with the fewest steps (benchmarks/beam_transport.py)
LIMITS, LIMITS_BEHIND = (2.0, 1.0, 0.6, 0.4, 0.25), (2.0, 0.9, 0.5, 0.3, 0.15)
# A batch is carried in pieces, sorted by momentum, each with the steps of its softest particle: at least so many
# particles in a piece, and at most so many pieces
PIECE, PIECES = 256, 64
SLOWEST = 0.05  # GeV/c: slower particles stop
_STOPPED = 1.00001 * SLOWEST  # within the rounding of single precision
# What a step or a block changes is computed in single precision, right to 1e-7 of itself, and added to tracks and
# weights in double precision: 2e-4 mrad behind the horn (tests)
_NARROW = jnp.float32
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
    """Arrays for `propagate`: what particles of one kind meet.

    slabs       steps of all sizes, those of one size behind those of another; in_target: 1 where they hold target
    first       number of the first slab in a block, for every size: (sizes, blocks + 1)
    blocks      planes between blocks, cm: (blocks + 1,)
    limits      momenta below which a particle needs the next size: (blocks, sizes - 1)
    reach       radius beyond which there is neither field nor matter, cm
    shape       of the target
    table       cross-sections and energy loss by momentum, see `HadronModel`
    radiation, slope    radiation length (cm) and slope of elastic scattering (GeV^-2) of the target
    gas         interactions per cm outside target and conductors
    chase       radius beyond which particles are lost, cm
    """

    slabs: Slabs
    in_target: jax.Array
    first: jax.Array
    blocks: jax.Array
    limits: jax.Array
    reach: jax.Array
    shape: Shape
    table: jax.Array
    mass: jax.Array
    charge: jax.Array
    ctau: jax.Array
    radiation: jax.Array
    slope: jax.Array
    gas: jax.Array
    chase: jax.Array


def medium(beam: Beamline, pdg: int, mode: str, slab: float = SLAB) -> Medium:
    """What particles `pdg` meet in a beam in `mode`: "neutrino", "antineutrino" (reversed current) or "off".

    slab: longest step in cm; all steps scale with it.
    """
    sign = {"neutrino": 1.0, "antineutrino": -1.0, "off": 0.0}[mode]
    target = beam.target
    hadrons = hadron_model(target.material, target.momentum, target.density)
    behind = planes((), target.end, beam.exit, 2 * BLOCK)
    blocks = np.concatenate([planes((), target.start, target.end, BLOCK), behind[1:]])
    if beam.drift is not None:
        blocks = with_drifts(beam, blocks, beam.drift)
    grids, first, count = [], [], 0
    limits = np.where((blocks[:-1] < target.end - 1e-9)[:, None], LIMITS, LIMITS_BEHIND)
    for level in range(len(LIMITS) + 1):
        z = planes(beam.horns, target.start, beam.exit, slab / 2**level, tuple(blocks))
        if beam.drift is not None:
            z = z[held(beam, z) | (np.min(np.abs(z[:, None] - blocks), axis=1) < 1e-9)]
        first.append(count + np.searchsorted(z, blocks - 1e-9))
        count += len(z) - 1
        grids.append((z, slabs(beam.horns, z)))
    grid: Slabs = jax.tree.map(lambda *parts: jnp.concatenate(parts), *(made for _, made in grids))
    middle = np.concatenate([0.5 * (z[1:] + z[:-1]) for z, _ in grids])
    return Medium(
        grid._replace(current=grid.current * sign),
        jnp.asarray((middle > target.start) & (middle < target.end), jnp.float64),
        jnp.asarray(np.array(first), jnp.int32),
        jnp.asarray(blocks),
        jnp.asarray(limits),
        jnp.asarray(max(np.max(placed.horn.surfaces(np.array(placed.horn.knots))[3]) for placed in beam.horns)),
        shape_of(target),
        jnp.asarray(hadrons.table(pdg)),
        jnp.asarray(MASSES[pdg]),
        jnp.asarray(CHARGES[pdg]),
        jnp.asarray(CTAU[pdg]),
        jnp.asarray(hadrons.radiation_length),
        jnp.asarray(elastic_slope(hadrons.mass_number)),
        jnp.asarray(1 / beam.gas, jnp.float64),  # not weakly typed, see `horn_muons`: one compilation
        jnp.asarray(beam.chase),
    )


class _Flight(NamedTuple):
    """A particle within a block: where it is, and the lengths so far in all, in target and in aluminium; the sums
    of position times length in metal.
    """

    track: Track
    z: jax.Array
    length: jax.Array
    target: jax.Array
    aluminium: jax.Array
    x_metal: jax.Array
    y_metal: jax.Array
    z_metal: jax.Array


class _State(NamedTuple):
    """What is carried from block to block: place, weight, thickness so far (radiation lengths), reservoirs, losses."""

    track: Track
    z: jax.Array
    weight: jax.Array
    thickness: jax.Array
    decay: Place
    interaction: Place
    stopped: jax.Array
    turned: jax.Array


def _wide(a: jax.Array) -> jax.Array:
    return a.astype(jnp.float64)


def _row(table: jax.Array, p: jax.Array, columns: tuple[int, ...]) -> list[tuple[jax.Array, jax.Array]]:
    """Columns of the table at p, and their slopes in p."""
    place = jnp.clip(p * (1 / STEP), 0.0, table.shape[0] - 1.001)
    cell = place.astype(jnp.int32)
    f = place - cell.astype(place.dtype)
    found = []
    for column in columns:
        low, high = table[cell, column], table[cell + 1, column]
        found.append((low + f * (high - low), (high - low) * (1 / STEP)))
    return found


def _fly(
    state: _State, flying: jax.Array, through: Medium, first: jax.Array, last: jax.Array, skin: float | None
) -> _Flight:
    """Through the slabs first, ..., last - 1: steps in the field with energy loss. flying: 0 stays where it is."""
    zero = jnp.zeros(state.z.shape, _NARROW)
    slabs_, in_target = jax.tree.map(lambda a: a.astype(_NARROW), (through.slabs, through.in_target))
    losses = through.table[:, 4:6].astype(_NARROW)
    shape = jax.tree.map(lambda a: a.astype(_NARROW), through.shape)

    def one(i: jax.Array, now: _Flight) -> _Flight:
        slab, target = jax.tree.map(lambda a: a[i], (slabs_, in_target))
        high = through.slabs.high[i]
        size = high - through.slabs.low[i]
        far = jnp.clip(high - now.z, 0.0, size) * jnp.where(now.track.p > _STOPPED, flying, 0.0)
        dz = far.astype(_NARROW)
        left = dz * (1 / size).astype(_NARROW)
        entry = Surfaces(*(b + left * (a - b) for a, b in zip(slab.at_low, slab.at_high, strict=True)))
        track = now.track.cast(_NARROW)
        line = straight(track, dz)
        of = profile(slab.at_low, slab.at_high, skin)
        met = made_once(i, crossing(line.r0, entry, line.r1, slab.at_high, of, skin is not None))
        ends = track.x, track.y, track.x + line.x, track.y + line.y
        inside = jax.lax.cond(target > 0, lambda: share_inside(shape, *ends), lambda: zero)
        in_be = inside * line.length
        in_al = (met.inner_conductor + met.outer_conductor) * line.length
        (be, be_slope), (al, al_slope) = _row(losses, track.p, (0, 1))
        lost = (in_be * be + in_al * al) * (1 - 0.5 * jnp.maximum(in_be * be_slope + in_al * al_slope, -1.0))
        kept = jnp.maximum(track.p - lost, SLOWEST) / track.p
        metal = in_be + in_al
        return _Flight(
            turned(now.track, dz, line, met, through.charge.astype(_NARROW) * slab.current, kept),
            now.z + far,
            now.length + line.length,
            now.target + in_be,
            now.aluminium + in_al,
            now.x_metal + metal * (track.x + 0.5 * line.x),
            now.y_metal + metal * (track.y + 0.5 * line.y),
            now.z_metal + metal * (now.z.astype(_NARROW) + 0.5 * dz),
        )

    flown: _Flight = jax.lax.fori_loop(
        first, last, one, _Flight(state.track, state.z, zero, zero, zero, zero, zero, zero)
    )
    return flown


def _kept(old: Place, part: jax.Array, u: jax.Array, here: Callable[[jax.Array], Place]) -> Place:
    """A reservoir with a new part of weight. One number chooses, and `here` gets what is left of it, even in [0, 1]."""
    total = old.weight + part
    chance = part / jnp.where(total > 0, total, 1.0)
    yes = u < chance
    new = here(jnp.clip(u / jnp.where(yes, chance, 1.0), 0.0, 1.0))
    chosen: Place = jax.tree.map(partial(jnp.where, yes), new, old)
    return chosen._replace(weight=total)


def _rotated(track: Track, angle: jax.Array, turn: jax.Array) -> Track:
    """The direction moved by `angle` (rad, small) in the azimuth `turn` (turns) about it."""
    per = 1 / track.p
    d = Vector(track.px * per, track.py * per, track.pz() * per)
    a, b = transverse_axes(d)
    sine, cosine = sincos2pi(turn)
    new = d.plus(a.scale(angle * cosine)).plus(b.scale(angle * sine)).scale(track.p / jnp.sqrt(1 + angle * angle))
    return track._replace(px=new.x, py=new.y)


def _level(track: Track, flying: jax.Array, reach: jax.Array, limits: jax.Array) -> jax.Array:
    """Number of the size of steps that the softest of particles needs; beyond the reach of a horn any will do."""
    near = (flying > 0) & (track.x * track.x + track.y * track.y < reach * reach)
    softest = jnp.min(jnp.where(near, track.p, jnp.inf))
    return jnp.sum(softest < limits)


@partial(jax.jit, static_argnames=("skin_depth", "scatter"), compiler_options=WIDE)
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

    In each block: steps in the field with energy loss (`_fly`); then absorption (inelastic) and decay with the lengths
    in target, conductors and in all; multiple scattering (difference of the variance of the thickness so far) and
    elastic scattering on nuclei, as one kink in the middle of the metal. scatter=False leaves out what is random in
    direction. Random numbers do not depend on the steps. Particles are carried in pieces of similar momentum.
    """
    n = start.weight.shape[0]
    pieces = gcd(n, min(PIECES, max(n // PIECE, 1)))
    order = jnp.argsort(jnp.where(start.weight > 0, start.track.p, jnp.inf))
    words = stream_of(key, low, high, _PURPOSE)
    sorted_ = jax.tree.map(lambda a: a[order].reshape(pieces, n // pieces), (start, words))

    def carry(piece: tuple[Start, jax.Array]) -> Outcome:
        return as_one_kernel(partial(_carry, skin_depth=skin_depth, scatter=scatter), *piece, through)

    carried = jax.lax.map(carry, sorted_)
    back = jnp.zeros_like(order).at[order].set(jnp.arange(n, dtype=order.dtype))
    outcome: Outcome = jax.tree.map(lambda a: a.reshape(n)[back], carried)
    return outcome


def _carry(start: Start, words: jax.Array, through: Medium, skin_depth: float | None, scatter: bool) -> Outcome:
    needed = (through.table, through.mass, through.ctau, through.gas, through.radiation, through.slope, through.charge)
    table, mass, ctau, gas, radiation, target_slope, charge = (a.astype(_NARROW) for a in needed)
    charged = jnp.abs(charge)
    blocks = through.blocks.shape[0] - 1

    def body(state: _State, number: jax.Array) -> tuple[_State, None]:
        before, z0 = state.track, state.z
        end = through.blocks[number + 1]
        flying = jnp.where((state.weight > 0) & (z0 < end), 1.0, 0.0)
        level = _level(before, flying, through.reach, through.limits[number])
        flown = _fly(state, flying, through, through.first[level, number], through.first[level, number + 1], skin_depth)
        after = flown.track
        p = (0.5 * (before.p + after.p)).astype(_NARROW)
        length, in_target, in_aluminium = flown.length, flown.target, flown.aluminium
        rows = _row(table, p, (0, 1, 2, 3, 6, 7))
        inelastic, elastic, al_inelastic, al_elastic, knocking, al_knocking = (value for value, _ in rows)
        absorbed = in_target * inelastic + in_aluminium * al_inelastic + length * gas
        decayed = length * mass / (p * ctau)
        total = absorbed + decayed
        gone = state.weight * _wide(-jnp.expm1(-total))
        by_decay = gone * _wide(decayed / jnp.where(total > 0, total, 1.0))
        u = [uniform_pair_of(words, 3 * number + i) for i in range(3)]
        dx, dy, dz = after.x - before.x, after.y - before.y, flown.z - z0
        pz0, pz1 = before.pz(), after.pz()

        def on_chord(along: jax.Array, x: jax.Array, y: jax.Array, z: jax.Array) -> Place:
            px, py = before.px + along * (after.px - before.px), before.py + along * (after.py - before.py)
            return Place(x, y, z, Vector(px, py, pz0 + along * (pz1 - pz0)), gone)

        def anywhere(v: jax.Array) -> Place:
            return on_chord(v, before.x + v * dx, before.y + v * dy, z0 + v * dz)

        metal = in_target + in_aluminium
        per_metal = 1 / jnp.where(metal > 0, metal, 1.0)
        x_metal, y_metal, z_metal = (_wide(a * per_metal) for a in (flown.x_metal, flown.y_metal, flown.z_metal))
        piece = _wide(metal / jnp.where(length > 0, length, 1.0))

        def in_metal(v: jax.Array) -> Place:
            # the metal crossed is one piece of that length about its centre
            share = (v - 0.5) * piece
            x, y, z = x_metal + share * dx, y_metal + share * dy, jnp.clip(z_metal + share * dz, z0, flown.z)
            found = on_chord((z - z0) / jnp.where(dz > 0, dz, 1.0), x, y, z)
            place: Place = jax.tree.map(partial(jnp.where, metal > 0), found, anywhere(v))  # the rest is gas
            return place

        decay = _kept(state.decay, by_decay, u[0][0], anywhere)
        interaction = _kept(state.interaction, gone - by_decay, u[0][1], in_metal)
        weight = state.weight - gone
        thickness = state.thickness
        if scatter:
            slower = after.p.astype(_NARROW)
            beta = slower / jnp.sqrt(slower * slower + mass * mass)
            more = thickness + charged * (in_target / radiation + in_aluminium / _RADIATION_LENGTH_ALUMINIUM)
            variance = scattering_variance(more, slower, beta) - scattering_variance(thickness, slower, beta)
            be, al = in_target * elastic, in_aluminium * al_elastic
            mean = be + al
            chance = -jnp.expm1(-mean)
            slope = jnp.where(be > al, target_slope, elastic_slope(27.0))  # the likelier of both in the block
            # both are Gaussian in two dimensions, so their sum is; several collisions in a block as their mean number
            hits = jnp.where(u[1][1].astype(_NARROW) < chance, mean / jnp.where(chance > 0, chance, 1.0), 0.0)
            knocked = in_target * knocking + in_aluminium * al_knocking  # nucleons, quasi-elastically
            often = -jnp.expm1(-knocked)
            knocks = jnp.where(u[2][1].astype(_NARROW) < often, knocked / jnp.where(often > 0, often, 1.0), 0.0)
            collisions = (hits / slope + knocks / SLOPE_OF_NUCLEON) / (slower * slower)
            mean_square = 2 * jnp.maximum(variance, 0.0) + collisions
            squared = jnp.minimum(-jnp.log(u[1][0].astype(_NARROW)) * mean_square, 1.0)
            thickness = more
            kinked = _rotated(after, _wide(jnp.sqrt(squared + 1e-30)), u[2][0])
            lever = jnp.where(metal > 0, flown.z - z_metal, 0.0)
            per0, per1 = lever / pz1, lever / kinked.pz()
            after = kinked._replace(
                x=after.x + per1 * kinked.px - per0 * after.px, y=after.y + per1 * kinked.py - per0 * after.py
            )
        slow = (after.p <= _STOPPED) | (radius(after.x, after.y) > through.chase)
        back = turned_back(after) & ~slow
        stopped = state.stopped + jnp.where(slow, weight, 0.0)
        gone_back = state.turned + jnp.where(back, weight, 0.0)
        weight = jnp.where(slow | back, 0.0, weight)
        return _State(after, flown.z, weight, thickness, decay, interaction, stopped, gone_back), None

    zero = jnp.zeros_like(start.weight)
    nowhere = Place(zero, zero, start.z, Vector(zero, zero, start.track.p), zero)
    initial = _State(start.track, start.z, start.weight, zero.astype(_NARROW), nowhere, nowhere, zero, zero)
    end = jax.lax.scan(body, initial, jnp.arange(blocks, dtype=jnp.int32))[0]
    track = end.track
    leaving = Place(track.x, track.y, end.z, Vector(track.px, track.py, track.pz()), end.weight)
    return Outcome(leaving, end.decay, end.interaction, end.stopped, end.turned)


def skin_depth(beam: Beamline) -> float | None:
    """The static argument of `propagate` for a beam."""
    return skin_depth_of(beam.horns)
