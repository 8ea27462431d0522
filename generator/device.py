"""The compiled functions: a batch of events, and the pilot of a channel. The only place with `jit` of a chain."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.generator.chain import Chain, State
from darkhorn.generator.streams import uniforms
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.vegas import flat_map, refine, warp

MAP_BINS = 64
ATTEMPTS = 64  # of one event in one batch of accept-reject, at most
PILOT_ROUNDS = 6  # rounds that train the map
PILOT_MEASURES = 6  # rounds that measure rate, variance and maximum with the map they are given
PILOT_CLIMBS = 12  # rounds that climb from the largest weights found to larger ones near by
PILOT_EVENTS = 1 << 14  # of a round; see `pilot`
CLIMBERS = 64  # points that climb, side by side
STAY, STRIDE = 0.7, 0.5  # probability that a step leaves a coordinate alone; longest step


def enable_x64() -> None:
    """Make JAX compute in double precision, which darkhorn needs. Call it before any other use of jax in the
    process.
    """
    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]


def require_x64() -> None:
    """Raise InputError unless JAX computes in double precision: long-lived particles have 1 - beta of 1e-10."""
    if not jax.config.read("jax_enable_x64"):  # type: ignore[no-untyped-call]
        raise InputError(
            "precision of jax",
            "single (float32)",
            "double (float64)",
            "Call `darkhorn.enable_x64()` before any other use of jax, or set JAX_ENABLE_X64=1.",
        )


def warped_rows(chain: Chain, grid: jax.Array, u: jax.Array) -> tuple[list[jax.Array], jax.Array, jax.Array]:
    """Rows of u with the adapted ones warped; the adapted ones as they were; the Jacobian."""
    adapted = list(chain.adapted)
    original = jnp.stack([u[i] for i in adapted])
    warped, jacobian = warp(grid, original)
    rows = [u[i] for i in range(len(chain.dims))]
    for position, i in enumerate(adapted):
        rows[i] = warped[position]
    return rows, original, jacobian


def events(
    chain: Chain, columns: tuple[str, ...], params: Any, grid: jax.Array, u: jax.Array, scale: jax.Array
) -> tuple[State, jax.Array]:
    """The chosen columns of the events with uniforms u (D, n), and whether all of each is finite. Pure; not jitted.

    `scale` (events of the run that share the rate: 1/N) goes into `w_sampling` together with the Jacobian of the map.
    """
    rows, _, jacobian = warped_rows(chain, grid, u)
    state = chain(params, rows)
    sampling = jacobian * scale
    state = {**state, "w_sampling": sampling, "weight": state["weight"] * sampling}
    total = sum(
        (state[name] for name in columns if jnp.issubdtype(state[name].dtype, jnp.floating)), jnp.zeros_like(sampling)
    )
    return {name: state[name] for name in columns}, jnp.isfinite(total)


def weights_of(chain: Chain, params: Any, grid: jax.Array, u: jax.Array) -> jax.Array:
    """Weights of the events with uniforms u (D, n), Jacobian of the map included: their mean is the expected number
    of events. Pure.
    """
    rows, _, jacobian = warped_rows(chain, grid, u)
    return chain(params, rows)["weight"] * jacobian


@partial(jax.jit, static_argnums=(0, 1))
def batch(
    chain: Chain,
    columns: tuple[str, ...],
    params: Any,
    grid: jax.Array,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
    wanted: jax.Array,
    scale: jax.Array,
) -> tuple[State, jax.Array, jax.Array]:
    """Weighted events with the 64-bit indices (low, high), each (n,) uint32: (columns, keep, finite).

    `wanted` (n,) masks the padding of a batch; keep (n,) is true for the wanted events that have a weight.
    """
    state, finite = events(chain, columns, params, grid, uniforms(key, low, high, len(chain.dims)), scale)
    return state, wanted & (state["weight"] > 0), finite | ~wanted


@partial(jax.jit, static_argnums=(0, 1))
def batch_unweighted(
    chain: Chain,
    columns: tuple[str, ...],
    params: Any,
    grid: jax.Array,
    key: jax.Array,
    which: jax.Array,
    low: jax.Array,
    high: jax.Array,
    wanted: jax.Array,
    maximum: jax.Array,
    unit: jax.Array,
) -> tuple[State, jax.Array, jax.Array]:
    """Accept-reject on the device: (columns, accepted, finite).

    key (ATTEMPTS, 2): those of as many attempts; which (n,): the attempt that a place of the batch is for.
    An event is accepted with probability weight / maximum. It then has the weight `unit`; above the maximum it is
    always accepted and has unit * weight / maximum. `w_sampling` takes the change up. The choice uses one uniform
    number beyond those of the chain.
    """
    dims = len(chain.dims)
    u = uniforms(key, low, high, dims + 1, which)
    state, finite = events(chain, columns, params, grid, u[:dims], jnp.ones((), u.dtype))
    ratio = state["weight"] / maximum
    accepted = wanted & (u[dims] < ratio)
    weight = unit * jnp.maximum(ratio, 1.0)
    safe = jnp.where(state["weight"] > 0, state["weight"], 1.0)
    state = {**state, "w_sampling": state["w_sampling"] * weight / safe, "weight": weight}
    return state, accepted, finite | ~wanted


@jax.jit
def compacted(state: State, keep: jax.Array) -> State:
    """The columns with the kept events moved to the front, in order, on the device: only they need to leave it.

    A program of its own on purpose: fused with the chain, XLA computes the whole event again in every column's gather
    (measured on a CPU: compilation 4 minutes instead of 2 s, and 100 times fewer events/s).
    """
    position = jnp.nonzero(keep, size=keep.shape[0], fill_value=0)[0]
    return {name: column[position] for name, column in state.items()}


def _steps(best: jax.Array, v: jax.Array) -> jax.Array:
    """Points near the climbers `best` (D, CLIMBERS), several to each, from uniform numbers v (D, n).

    A coordinate stays with probability STAY, or moves by STRIDE t^3, t uniform in (-1, 1): steps of every size, most of
    them small. What leaves the unit cube is put on its side, where maxima often are.
    """
    t = 2 * (v - STAY) / (1 - STAY) - 1
    start = jnp.tile(best, (1, v.shape[1] // best.shape[1]))
    return jnp.clip(jnp.where(v < STAY, start, start + STRIDE * t * t * t), 0.0, 1 - 2.0**-53)


@partial(jax.jit, static_argnums=(0, 3))
def pilot(chain: Chain, params: Any, key: jax.Array, n: int) -> dict[str, jax.Array]:
    """Train the map of a channel and measure it: {grid, mean, square, maximum, supremum}. n: a multiple of CLIMBERS.

    PILOT_ROUNDS rounds of n events refine the map; PILOT_MEASURES rounds at the final map give the mean weight, the
    mean of its square and the largest weight; PILOT_CLIMBS rounds look for larger weights around the CLIMBERS best
    points, by random steps: the largest of all is `supremum`. One loop, so that the chain is compiled once.
    """
    start = flat_map(len(chain.adapted), MAP_BINS)
    offset = jnp.arange(n, dtype=jnp.uint32)
    zero = jnp.zeros((), start.dtype)
    slots = (n // CLIMBERS, CLIMBERS)

    def body(r: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        grid, mean, square, largest, best, top = carry
        index = offset + r.astype(jnp.uint32) * n
        u = uniforms(key, index, jnp.zeros_like(index), len(chain.dims))
        measured = r < PILOT_ROUNDS + PILOT_MEASURES
        u = jnp.where(measured, u, _steps(best, u))
        rows, original, jacobian = warped_rows(chain, grid, u)
        weight = chain(params, rows)["weight"] * jacobian
        training = r < PILOT_ROUNDS
        grid = jnp.where(training, refine(grid, original, weight), grid)
        share = jnp.where(training | ~measured, 0.0, 1.0 / (PILOT_MEASURES * n)).astype(weight.dtype)
        mean, square = mean + share * jnp.sum(weight), square + share * jnp.sum(weight * weight)
        largest = jnp.where(training | ~measured, largest, jnp.maximum(largest, jnp.max(weight)))
        # every climber keeps the best of its own column of points
        chosen = jnp.argmax(weight.reshape(slots), axis=0)
        found = jnp.take_along_axis(weight.reshape(slots), chosen[None], axis=0)[0]
        higher = ~training & (found > top)
        place = u[:, chosen * CLIMBERS + jnp.arange(CLIMBERS)]
        return grid, mean, square, largest, jnp.where(higher, place, best), jnp.where(higher, found, top)

    rounds = PILOT_ROUNDS + PILOT_MEASURES + PILOT_CLIMBS
    climbers = jnp.zeros((len(chain.dims), CLIMBERS), start.dtype), jnp.zeros(CLIMBERS, start.dtype)
    grid, mean, square, largest, _, top = jax.lax.fori_loop(0, rounds, body, (start, zero, zero, zero, *climbers))
    return {"grid": grid, "mean": mean, "square": square, "maximum": largest, "supremum": jnp.max(top)}


def as_float64(tree: Any) -> Any:
    """The pytree with every leaf a device array; floating leaves in double precision."""
    return jax.tree.map(
        lambda leaf: (
            jnp.asarray(leaf) if np.issubdtype(np.asarray(leaf).dtype, np.integer) else jnp.asarray(leaf, jnp.float64)
        ),
        tree,
    )
