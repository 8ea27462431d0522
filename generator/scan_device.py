"""The compiled functions of a scan: one channel at a row of model points, all on the same random numbers.

The parameters of a channel come in three parts: those of the experiment, and those that follow from the model, the
latter split into what all points of the row share and what varies along it. What depends on shared numbers alone
(neutrino, Q^2, form factors, positions) is computed once for the whole row: the points are reweighted events of each
other, exactly.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.device import warped_rows, weights_of
from darkhorn.generator.streams import uniforms
from darkhorn.kernels import vegas

REPLICAS = 8  # independent scramblings of the points: their spread is the error
BLOCK = 64  # points of a replica in one call
TRAIN_BLOCK = 1 << 11  # events in one call of `train`
BITS = 53  # of a uniform number


@partial(jax.jit, static_argnums=(0,))
def prepared(prepare: Callable[[Params], Params], channels: Any, models: Any) -> dict[str, Any]:
    """What `prepare` derives, and `model` itself, for models stacked on a first axis (points) and channels' parameters
    stacked on another: leaves (points, channels, ...).
    """

    def one(model: Any, channel: Any) -> dict[str, Any]:
        params = {**channel, "model": model}
        found = prepare(params)
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


@partial(jax.jit, static_argnums=(0, 1))
def train(
    chain: Chain, layout: Any, channel: Params, shared: Sequence[Any], varying: Sequence[Any], grid: jax.Array,
    key: jax.Array, call: jax.Array,
) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    """(mean weight (points,), power of the cells of the map `grid` (points, d, bins)) of TRAIN_BLOCK events, the
    `call`-th of this key. Weights that are not finite count as zero: `measure` reports them.
    """
    index = jnp.arange(TRAIN_BLOCK, dtype=jnp.uint32) + call * jnp.uint32(TRAIN_BLOCK)
    rows, original, jacobian = warped_rows(chain, grid, uniforms(key, index, jnp.zeros_like(index), len(chain.dims)))

    def one(leaves: Sequence[Any]) -> tuple[jax.Array, jax.Array]:
        weight = chain(assemble(channel, shared, leaves, layout), rows)["weight"] * jacobian
        weight = jnp.where(jnp.isfinite(weight), weight, 0.0)
        return jnp.mean(weight), vegas.power(original, weight, grid.shape[1] - 1) / TRAIN_BLOCK

    if not varying:
        mean, power = one(varying)
        return mean[None], power[None]
    found: tuple[jax.Array, jax.Array] = jax.lax.map(one, list(varying))
    return found
