"""Sanford-Wang parametrisation of meson production by protons of a few to a few tens of GeV.

Source: J.R. Sanford and C.L. Wang, BNL 11299 and 11479 (1967); in the form fitted to HARP and E910 data on beryllium by
MiniBooNE, Phys. Rev. D 79 (2009) 072002 (arXiv:0806.1449).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class SanfordWang(NamedTuple):
    """The nine coefficients (numbers or arrays that broadcast), for momenta in GeV/c and cross-sections in mb."""

    c1: jax.Array | float
    c2: jax.Array | float
    c3: jax.Array | float
    c4: jax.Array | float
    c5: jax.Array | float
    c6: jax.Array | float
    c7: jax.Array | float
    c8: jax.Array | float
    c9: jax.Array | float


def sanford_wang(momentum: jax.Array, theta: jax.Array, beam_momentum: jax.Array, c: SanfordWang) -> jax.Array:
    """d2sigma/dp dOmega in mb/(GeV/c)/sr, per nucleus of the fit.

        c1 p^c2 (1 - p/(p_B - c9)) exp[-c3 p^c4/p_B^c5 - c6 theta (p - c7 p_B cos^c8 theta)]

    momentum, theta, beam_momentum: GeV/c, rad, GeV/c; shapes broadcast. Domain: p > 0, p_B > 0, 0 <= theta < pi/2.
    Zero for p >= p_B - c9, where the formula goes negative (with c9 = 1 GeV/c that is below the kinematic limit).
    """
    top = beam_momentum - c.c9
    allowed = (momentum < top) & (top > 0)
    edge = jnp.where(allowed, 1 - momentum / jnp.where(top > 0, top, 1.0), 0.0)
    exponent = -c.c3 * momentum**c.c4 / beam_momentum**c.c5 - c.c6 * theta * (
        momentum - c.c7 * beam_momentum * jnp.cos(theta) ** c.c8
    )
    return c.c1 * momentum**c.c2 * edge * jnp.exp(exponent)
