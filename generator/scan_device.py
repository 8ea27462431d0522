"""The compiled functions of a scan: one channel at a row of model points, all on the same random numbers.

The parameters of a channel come in three parts: those of the experiment, and those that follow from the model, the
latter split into what all points of the row share and what varies along it. What depends on shared numbers alone
(neutrino, Q^2, form factors, positions) is computed once for the whole row: the points are reweighted events of each
other, exactly.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.device import MAP_BINS, warped_rows, weights_of
from darkhorn.generator.streams import uniforms
from darkhorn.kernels.vegas import flat_map, refine

REPLICAS = 8  # independent scramblings of the points: their spread is the error
BLOCK = 64  # points of a replica in one call
BITS = 53  # of a uniform number


@partial(jax.jit, static_argnums=(0,))
def prepared(chain: Chain, channels: Any, models: Any) -> dict[str, Any]:
    """What `chain.prepare` derives, and `model` itself, for models stacked on a first axis (points) and channels'
    parameters stacked on another: leaves (points, channels, ...).
    """

    def one(model: Any, channel: Any) -> dict[str, Any]:
        params = {**channel, "model": model}
        found = chain.prepare(params)
        return {key: value for key, value in found.items() if key == "model" or params.get(key) is not value}

    inner = jax.vmap(one, in_axes=(None, 0))  # widths do not depend on the channel: computed once per point
    result: dict[str, Any] = jax.vmap(inner, in_axes=(0, None))(models, channels)
    return result


def assemble(channel: Params, shared: Sequence[Any], varying: Sequence[Any], layout: Any) -> dict[str, Any]:
    """A channel's prepared parameters: `layout` is (tree structure, which of its leaves vary along the row)."""
    structure, varies = layout
    shared, varying = list(shared), list(varying)
    leaves = [varying.pop(0) if moves else shared.pop(0) for moves in varies]
    return {**channel, **jax.tree.unflatten(structure, leaves)}


@partial(jax.jit, static_argnums=(0, 1))
def measure(
    chain: Chain,
    layout: Any,
    channel: Params,
    shared: Sequence[Any],
    varying: Sequence[Any],
    grid: jax.Array,
    points: jax.Array,
    shift: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(mean weight of each replica (points of the row, REPLICAS), mean square (points of the row,), all finite).

    points  (D, REPLICAS, BLOCK) integers of 53 bits: the same for all channels
    shift   (D, REPLICAS, 1) integers that scramble them (exclusive or) for this channel
    """
    numbers = (points ^ shift).astype(jnp.float64) * 2.0**-BITS
    u = numbers.reshape(len(chain.dims), -1)

    def weights(leaves: Sequence[Any]) -> jax.Array:
        return weights_of(chain, assemble(channel, shared, leaves, layout), grid, u)

    # a loop, and not `vmap`: XLA takes out of a loop what does not change in it, but fuses a broadcast event with its
    # uses and computes it again for every point (measured: 27 against 290 ns per event and point along a coupling)
    weight = jax.lax.map(weights, list(varying)) if varying else weights(varying)[None]
    by_replica = weight.reshape(weight.shape[0], points.shape[1], points.shape[2])
    return jnp.mean(by_replica, axis=2), jnp.mean(weight * weight, axis=1), jnp.all(jnp.isfinite(weight))


@partial(jax.jit, static_argnums=(0, 1, 6, 7))
def train(
    chain: Chain, layout: Any, channel: Params, shared: Sequence[Any], varying: Sequence[Any], key: jax.Array,
    rounds: int, n: int,
) -> jax.Array:  # fmt: skip
    """Importance map of a channel at one point of a row, from `rounds` rounds of `n` events."""
    params = assemble(channel, shared, varying, layout)
    offset = jnp.arange(n, dtype=jnp.uint32)

    def body(r: jax.Array, grid: jax.Array) -> jax.Array:
        index = offset + r.astype(jnp.uint32) * n
        u = uniforms(key, index, jnp.zeros_like(index), len(chain.dims))
        rows, original, jacobian = warped_rows(chain, grid, u)
        weight = chain(params, rows)["weight"] * jacobian
        return refine(grid, original, jnp.where(jnp.isfinite(weight), weight, 0.0))

    found: jax.Array = jax.lax.fori_loop(0, rounds, body, flat_map(len(chain.adapted), MAP_BINS))
    return found
