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


def flat_in_inverse(u: jax.Array, low: jax.Array, high: jax.Array, pole: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(x, dx/du) with 1/(x + pole) uniform: takes the fall 1/(x + pole)^2 of a propagator away.

    x falls from high to low as u rises. Shapes broadcast; low + pole > 0. Products: no digit is lost for x far below
    the pole. dx/du is given without its sign.
    """
    width = high - low
    bottom = low + pole + width * u
    x = jnp.clip(low + width * (low + pole) * (1 - u) / bottom, low, high)
    return x, (low + pole) * (high + pole) * width / (bottom * bottom)


def flat_in_log(u: jax.Array, low: jax.Array, high: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(x, dx/du) with ln[x/(x + scale)] uniform: x, from low to high, has the density 1/x, far above the scale 1/x^2.

    Shapes broadcast; 0 < low, 0 < scale.
    """
    first, last = jnp.log1p(scale / low), jnp.log1p(scale / high)
    x = jnp.clip(scale / jnp.expm1(first + (last - first) * u), low, high)
    return x, (first - last) * x * (x + scale) / scale
