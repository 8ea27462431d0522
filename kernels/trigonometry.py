"""Sine and cosine of a full turn."""

import math

import jax
import jax.numpy as jnp


def sincos2pi(u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(sin(2 pi u), cos(2 pi u)); any shape, dtype of `u`."""
    angle = (2 * math.pi) * u
    return jnp.sin(angle), jnp.cos(angle)
