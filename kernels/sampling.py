"""Inverse distribution functions and discrete choices from one uniform number each."""

import jax
import jax.numpy as jnp


def linear_cosine(u: jax.Array, slope: jax.Array) -> jax.Array:
    """Cosine with density (1 + a c)/2 on [-1, 1], |a| <= 1: inverse of the distribution function.

    c = (a + 4u - 2) / (1 + sqrt(1 + a (4u - 2) + a^2)), rationalised, so that a = 0 gives 2u - 1 without 0/0.
    Shapes broadcast. The radicand is (1 - a)^2 + 4 a u >= 0.
    """
    radicand = jnp.maximum((1 - slope) * (1 - slope) + 4 * slope * u, 0.0)
    return jnp.clip((slope + 4 * u - 2) / (1 + jnp.sqrt(radicand)), -1.0, 1.0)


def squared_cosine(u: jax.Array) -> jax.Array:
    """Cosine with density (3/2) c^2 on [-1, 1]: c = cbrt(2u - 1). Shapes: any."""
    return jnp.cbrt(2 * u - 1)


def split(u: jax.Array, probability: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One uniform number makes a choice and a new uniform number: (u < p, u rescaled within its side).

    Exact: given the choice, the rest of u is uniform again. Shapes broadcast; 0 <= p <= 1.
    """
    first = u < probability
    below = u / jnp.where(probability > 0, probability, 1.0)
    rest = jnp.where(probability < 1, 1 - probability, 1.0)
    return first, jnp.clip(jnp.where(first, below, (u - probability) / rest), 0.0, 1.0)


def table_lookup(table: jax.Array, position: jax.Array) -> jax.Array:
    """Linear interpolation in a table on the uniform grid 0, 1, ..., n-1 (position in those units, clipped). Shapes:
    (n,), (...).
    """
    last = table.shape[0] - 2
    cell = jnp.clip(position.astype(jnp.int32), 0, last)
    fraction = jnp.clip(position - cell.astype(position.dtype), 0.0, 1.0)
    return table[cell] * (1 - fraction) + table[cell + 1] * fraction
