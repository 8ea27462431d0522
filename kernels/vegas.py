"""Separable importance map of VEGAS: one monotone piecewise-linear map per dimension, refined from squared weights.

Source: G.P. Lepage, J. Comput. Phys. 27 (1978) 192, and arXiv:2009.05112 (damping and smoothing).
"""

import jax
import jax.numpy as jnp


def flat_map(dimensions: int, bins: int) -> jax.Array:
    """The identity map, shape (dimensions, bins + 1)."""
    return jnp.tile(jnp.linspace(0.0, 1.0, bins + 1), (dimensions, 1))


def warp(grid: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Map u in [0,1) cell-wise linearly onto the cells of `grid`; returns the new u and the Jacobian d(new)/d(u).

    Shapes: grid (d, bins + 1) increasing from 0 to 1, u (d, n); results (d, n) and (n,), the product over dimensions.
    The rule is exact for any grid: only the variance depends on how well it is trained.
    """
    bins = grid.shape[1] - 1
    position = u * bins
    cell = jnp.clip(position.astype(jnp.int32), 0, bins - 1)
    width = grid[:, 1:] - grid[:, :-1]
    left = jnp.take_along_axis(grid[:, :-1], cell, axis=1)
    size = jnp.take_along_axis(width, cell, axis=1)
    return left + size * (position - cell.astype(u.dtype)), jnp.prod(size * bins, axis=0)


def refine(grid: jax.Array, u: jax.Array, weight: jax.Array, damping: float = 0.75) -> jax.Array:
    """A better grid, from events whose cell in this one is u: `regrid` with the `power` of these events.

    Shapes: grid (d, bins + 1), u (d, n) the *unwarped* numbers, weight (n,) including the Jacobian of the grid; result
    like grid.
    """
    return regrid(grid, power(u, weight, grid.shape[1] - 1), damping)


def power(u: jax.Array, weight: jax.Array, bins: int) -> jax.Array:
    """Sum of weight^2 in each cell of each dimension, (d, bins): u (d, n) the *unwarped* numbers, weight (n,)."""
    square = weight * weight

    def one(row: jax.Array) -> jax.Array:
        cell = jnp.clip((row * bins).astype(jnp.int32), 0, bins - 1)
        return jnp.zeros(bins, weight.dtype).at[cell].add(square)

    return jax.vmap(one)(u)


def regrid(grid: jax.Array, cell_power: jax.Array, damping: float = 0.75) -> jax.Array:
    """A grid with equal shares of the power (d, bins) per cell, smoothed and damped.

    Cells keep at least 1e-3 of the mean power, so that no region is ever closed. A dimension without power keeps its
    grid.
    """
    bins = grid.shape[1] - 1

    def one(edges: jax.Array, found: jax.Array) -> jax.Array:
        padded = jnp.concatenate([found[:1], found, found[-1:]])
        found = (padded[:-2] + 6 * padded[1:-1] + padded[2:]) / 8
        mean = jnp.mean(found)
        found = jnp.where(mean > 0, (found / jnp.where(mean > 0, mean, 1.0) + 1e-3) ** damping, 1.0)
        cumulative = jnp.concatenate([jnp.zeros(1, found.dtype), jnp.cumsum(found)])
        cumulative = cumulative / cumulative[-1]
        new = jnp.interp(jnp.linspace(0.0, 1.0, bins + 1, dtype=found.dtype), cumulative, edges)
        return new.at[0].set(0.0).at[-1].set(1.0)

    return jax.vmap(one)(grid, cell_power)
