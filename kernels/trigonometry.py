"""Sine and cosine of full turns by polynomial: several times faster than the library's on a CPU, where they dominated
a chain.
"""

import math

import jax
import jax.numpy as jnp

_HALF_PI = math.pi / 2
_SIN = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(8))
_COS = tuple((-1) ** k / math.factorial(2 * k) for k in range(9))


def _horner(coefficients: tuple[float, ...], x: jax.Array) -> jax.Array:
    total = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def sincos2pi(turns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """sin(2 pi u) and cos(2 pi u).

    The turn is reduced to the nearest quarter, r = (4u - k) pi/2 with |r| <= pi/4, where the Taylor series through r^15
    (sine) and r^16 (cosine) are exact to rounding: absolute error < 3e-16 for |u| < 1, growing like 1e-16 |2 pi u|
    beyond.

    Shapes: any. Units: turns (one turn = 2 pi). Domain: |u| < 1e9. Differentiable.
    """
    quarters = 4 * turns
    nearest = jnp.round(quarters)
    r = (quarters - nearest) * _HALF_PI
    square = r * r
    s, c = r * _horner(_SIN, square), _horner(_COS, square)
    quadrant = nearest - 4 * jnp.floor(nearest / 4)  # 0, 1, 2, 3
    odd = (quadrant == 1) | (quadrant == 3)
    sine = jnp.where(odd, c, s) * jnp.where(quadrant >= 2, -1.0, 1.0).astype(turns.dtype)
    cosine = jnp.where(odd, s, c) * jnp.where((quadrant == 1) | (quadrant == 2), -1.0, 1.0).astype(turns.dtype)
    return sine, cosine
