"""Tracks through horns in vacuum: fixed steps (`trace`), and an adaptive integrator to check them (`trace_adaptive`).

Both take particles in a frame with z along the beam and the z of their start, and carry them to one plane.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.geometry.beamlines import Beamline
from darkhorn.geometry.horns import PlacedHorn
from darkhorn.kernels.horn import BENDING, Surfaces, Track, field, step
from darkhorn.kernels.kinematics import Vector

Array = NDArray[np.float64]
DEFAULT_STEP = 0.8  # cm: single tracks are right to 0.1 mm after a horn
WIDENING = 20.0  # cm: steps are shorter where the conductor widens by more than a factor e in this length


class Slabs(NamedTuple):
    """Slabs between planes of constant z (cm): their ends, and surfaces and field at both. Arrays of length n."""

    low: jax.Array
    high: jax.Array
    at_low: Surfaces
    at_high: Surfaces
    current: jax.Array


def planes(horns: tuple[PlacedHorn, ...], low: float, high: float, size: float, extra: tuple[float, ...] = ()) -> Array:
    """Planes from low to high at most `size` apart (cm), with one at every corner of a horn and at `extra`. (n,)

    Where the inner conductor widens or narrows, planes are closer: between two corners its radius changes by a factor
    exp(size/`WIDENING`) per step in the mean, or less.
    """
    corners = [low, high, *extra]
    for placed in horns:
        own = placed.horn
        corners += [placed.z_cm + z for z in (own.start_cm, own.end_cm, *own.knots)]
    edges = np.unique([z for z in corners if low <= z <= high])
    lengths = np.diff(edges)
    tiny = 1e-9 * lengths  # a surface may jump at a plane
    for placed in horns:
        own = placed.horn
        ends = [own.surfaces(z - placed.z_cm)[1] for z in (edges[:-1] + tiny, edges[1:] - tiny)]
        lengths = np.maximum(lengths, WIDENING * np.abs(np.log(ends[1] / ends[0])))
    counts = np.maximum(np.ceil(lengths / size - 1e-9).astype(int), 1)
    parts = [np.linspace(a, b, n + 1)[:-1] for (a, b), n in zip(pairwise(edges), counts, strict=True)]
    return np.concatenate([*parts, edges[-1:]])


def held(beam: Beamline, z: Array) -> NDArray[np.bool_]:
    """True for planes that lie in target or horns, or bound them."""
    ranges = [(beam.target.start, beam.target.end)]
    ranges += [(h.z_cm + h.horn.start_cm, h.z_cm + h.horn.end_cm) for h in beam.horns]
    inside: NDArray[np.bool_] = np.any([(z >= low - 1e-9) & (z <= high + 1e-9) for low, high in ranges], axis=0)
    return inside


def with_drifts(beam: Beamline, z: Array, drift: float) -> Array:
    """Planes between blocks, those outside target and horns replaced by even ones at most `drift` apart."""
    ends = [h.z_cm + e for h in beam.horns for e in (h.horn.start_cm, h.horn.end_cm) if e + h.z_cm > z[0]]
    kept = np.unique([*z[held(beam, z)], *ends, z[0], z[-1]])
    kept = kept[np.append(np.diff(kept) > 1e-6, True)]
    parts = [np.linspace(a, b, max(int(np.ceil((b - a) / drift)), 1) + 1)[:-1] for a, b in pairwise(kept)]
    return np.concatenate([*parts, kept[-1:]])


def slabs(horns: tuple[PlacedHorn, ...], z: Array) -> Slabs:
    """Slabs between the planes z (n + 1,), for horns of one kind of conductor that do not overlap.

    Surfaces of a slab are those of the horn that its middle lies in; outside there is no field, and no metal within
    10 m of the axis.
    """
    low, high = z[:-1], z[1:]
    middle = 0.5 * (low + high)
    inside = [(middle > h.z_cm + h.horn.start_cm) & (middle < h.z_cm + h.horn.end_cm) for h in horns]
    current = np.sum([np.where(yes, h.current_ka, 0.0) for yes, h in zip(inside, horns, strict=True)], axis=0)
    ends = []
    tiny = 1e-9 * (high - low)  # a surface may jump at a plane: each slab has its own side of it
    for at in (low + tiny, high - tiny):
        found = [np.full(at.shape, value) for value in (1e3, 1e3 + 0.1, 2e3, 2e3 + 1)]
        for yes, h in zip(inside, horns, strict=True):
            found = [np.where(yes, r, other) for r, other in zip(h.horn.surfaces(at - h.z_cm), found, strict=True)]
        ends.append(Surfaces(*map(jnp.asarray, found)))
    return Slabs(jnp.asarray(low), jnp.asarray(high), ends[0], ends[1], jnp.asarray(current))


def part_of_slab(slab: Slabs, start: jax.Array) -> tuple[jax.Array, Surfaces]:
    """Length that a particle born at z = start has in a slab, and the surfaces where it enters. Shapes (n,)."""
    share = jnp.clip((start - slab.low) / (slab.high - slab.low), 0.0, 1.0)
    entry = Surfaces(*(a + share * (b - a) for a, b in zip(slab.at_low, slab.at_high, strict=True)))
    return (1 - share) * (slab.high - slab.low), entry


def skin_depth_of(horns: tuple[PlacedHorn, ...]) -> float | None:
    """The skin depth that all horns share; ValueError if they differ."""
    found = {h.horn.skin_depth_cm for h in horns}
    if len(found) != 1:
        raise ValueError(f"horns with different conductors: {found}")
    return found.pop()


@partial(jax.jit, static_argnames=("skin_depth",))
def trace(track: Track, start: jax.Array, charge: jax.Array, through: Slabs, skin_depth: float | None) -> Track:
    """Tracks at the last plane, from z = start (cm), in steps of the slabs. Shapes (n,). |p| and L_z are kept."""

    def body(state: Track, slab: Slabs) -> tuple[Track, None]:
        dz, entry = part_of_slab(slab, start)
        return step(state, dz, entry, slab.at_high, charge * slab.current, skin_depth)[0], None

    return jax.lax.scan(body, track, through)[0]


# Dormand and Prince, J. Comput. Appl. Math. 6 (1980) 19: nodes are not needed, the field does not change with time
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)


@partial(jax.jit, static_argnames=("horns", "tolerance"))
def trace_adaptive(
    position: Vector,
    momentum: Vector,
    charge: jax.Array,
    end: jax.Array,
    horns: tuple[PlacedHorn, ...],
    tolerance: float = 1e-10,
) -> tuple[Vector, Vector]:
    """Position and momentum on the plane z = end, by an embedded Runge-Kutta method of order 5(4) in the path length.

    dx/ds = p/|p|, dp/ds = k q (p/|p|) x B, from the field itself (`kernels.horn.field`), for any direction. The step is
    chosen so that the error of one step is below tolerance, relative to 1 cm and to |p|; surfaces are found by steps
    that fail. Slow; for checks. Gives up after 100000 steps, or 10 m from the axis.
    """
    n = len(horns)
    grids = [np.unique([*np.arange(h.horn.start_cm, h.horn.end_cm, 0.01), *h.horn.knots, h.horn.end_cm]) for h in horns]

    def magnetic(x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        r = jnp.sqrt(x * x + y * y)
        total = jnp.zeros_like(r)
        for i in range(n):
            own = horns[i].horn
            local = z - horns[i].z_cm
            s = Surfaces(*(jnp.interp(local, grids[i], surface) for surface in own.surfaces(grids[i])))
            inside = (local > own.start_cm) & (local < own.end_cm)
            total = total + jnp.where(inside, field(r, s, jnp.asarray(horns[i].current_ka), own.skin_depth_cm), 0.0)
        return total / jnp.where(r > 0, r, 1.0)

    def slope(state: jax.Array, q: jax.Array) -> jax.Array:
        x, y, z, px, py, pz = state
        p = jnp.sqrt(px * px + py * py + pz * pz)
        b = BENDING * q * magnetic(x, y, z) / p
        return jnp.stack([px / p, py / p, pz / p, -b * x * pz, -b * y * pz, b * (x * px + y * py)])

    def one(start: jax.Array, q: jax.Array) -> jax.Array:
        p0 = jnp.sqrt(jnp.sum(start[3:] ** 2))
        scale = tolerance * jnp.where(jnp.arange(6) < 3, 1.0, p0)

        def going(carry: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            state, _, count = carry
            return (end - state[2] > 1e-9) & (count < 100_000) & (jnp.hypot(state[0], state[1]) < 1e3) & (state[5] > 0)

        def advance(carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
            state, size, count = carry
            h = jnp.minimum(size, (end - state[2]) / (state[5] / p0))
            k = [slope(state, q)]
            for row in _STAGES:
                at = state + h * sum((c * s for c, s in zip(row, k, strict=True)), jnp.zeros(6))
                k.append(slope(at, q))
            fourth = state + h * sum((c * s for c, s in zip(_FOURTH, k, strict=True)), jnp.zeros(6))
            error = jnp.max(jnp.abs(at - fourth) / scale)
            good = (error <= 1) | (h < 1e-9)
            change = jnp.clip(0.9 * (error + 1e-12) ** -0.2, 0.1, 5.0)
            return jnp.where(good, at, state), jnp.minimum(h * change, 5.0), count + 1

        return jax.lax.while_loop(going, advance, (start, jnp.asarray(1.0), jnp.asarray(0)))[0]

    found = jax.vmap(one)(jnp.stack([*position, *momentum], axis=1), charge)
    return Vector(found[:, 0], found[:, 1], found[:, 2]), Vector(found[:, 3], found[:, 4], found[:, 5])
