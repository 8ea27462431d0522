"""Flight and decay of unstable particles: lengths in cm, times in ns."""

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import HBAR_C, SPEED_OF_LIGHT


def ctau(width: jax.Array) -> jax.Array:
    """Proper decay length c tau = hbar c / Gamma. GeV in, cm out. Shapes: any."""
    return HBAR_C / width


def decay_length(momentum: jax.Array, mass: jax.Array, proper: jax.Array) -> jax.Array:
    """Mean decay length in the lab, (p/m) c tau. Shapes broadcast; GeV, GeV, cm; cm out."""
    return momentum / mass * proper


def decay_probability(near: jax.Array, far: jax.Array, length: jax.Array) -> jax.Array:
    """Probability to decay between path lengths near and far: exp(-near/L) (1 - exp(-(far-near)/L)).

    Shapes broadcast; cm. Accurate from L << far - near to L >> far - near (relative 1e-15, through expm1).
    """
    return jnp.exp(-near / length) * -jnp.expm1(-(far - near) / length)


def decay_distance(u: jax.Array, near: jax.Array, far: jax.Array, length: jax.Array) -> jax.Array:
    """Path length of a decay that is known to happen between near and far: inverse of `decay_distance_cdf`.

    x = near - L log1p(u expm1(-(far - near)/L)). Shapes broadcast; cm; u in [0, 1).
    """
    return near - length * jnp.log1p(u * jnp.expm1(-(far - near) / length))


def decay_distance_cdf(x: jax.Array, near: jax.Array, far: jax.Array, length: jax.Array) -> jax.Array:
    """Distribution function of `decay_distance`. Shapes broadcast; cm."""
    return jnp.expm1(-(x - near) / length) / jnp.expm1(-(far - near) / length)


def flight_time(distance: jax.Array, energy: jax.Array, momentum: jax.Array) -> jax.Array:
    """Time to fly a distance at beta = p/E. cm, GeV, GeV; ns out. Shapes broadcast; momentum > 0."""
    return distance * energy / (momentum * SPEED_OF_LIGHT)
