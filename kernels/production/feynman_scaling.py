"""Feynman-scaling parametrisation of K+ production.

Source: MiniBooNE, Phys. Rev. D 79 (2009) 072002 (arXiv:0806.1449), with its coefficients.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import MASS_PROTON
from darkhorn.kernels.production.frames import centre_of_mass, largest_energy


class FeynmanScaling(NamedTuple):
    """The eight coefficients (numbers or arrays that broadcast), momenta in GeV/c, cross-sections in mb."""

    c1: jax.Array | float
    c2: jax.Array | float
    c3: jax.Array | float
    c4: jax.Array | float
    c5: jax.Array | float
    c6: jax.Array | float
    c7: jax.Array | float
    c8: jax.Array | float


def feynman_scaling(
    momentum: jax.Array,
    theta: jax.Array,
    beam_momentum: jax.Array,
    c: FeynmanScaling,
    mass: jax.Array | float,
    recoil: jax.Array | float,
    mass_proton: jax.Array | float = MASS_PROTON,
) -> jax.Array:
    """d2sigma/dp dOmega in mb/(GeV/c)/sr, per nucleus of the fit.

        (p^2/E) c1 (1 - |x_F|)^c8 exp[-c2 p_T - c3 |x_F|^c4 - c5 p_T^2 - c7 |p_T x_F|^c6]

    Codes differ in two things, and the yield with them. recoil > 0: x_F = p_L*/p*_max, with p*_max the momentum against
    a system of that mass (proton + Lambda for K+); recoil < 0: x_F = 2 p_L*/sqrt(s). And c8: the simulation of
    MiniBooNE has c8 = 0 and p*_max, which gives the yield of its paper (0.069 K+ per production interaction at 8.89
    GeV/c); c8 = 1, found in other codes with the same coefficients, gives 0.056, and 0.070 with 2 p_L*/sqrt(s).

    momentum, theta, beam_momentum: GeV/c, rad, GeV/c; shapes broadcast. Domain: p > 0. Zero for |x_F| >= 1.
    """
    system = centre_of_mass(momentum, theta, mass, beam_momentum, mass_proton)
    top = largest_energy(system.sqrt_s, mass, recoil)
    limit_squared = jnp.where(jnp.asarray(recoil) < 0, system.sqrt_s * system.sqrt_s / 4, top * top - mass * mass)
    above = limit_squared > 0
    limit = jnp.sqrt(jnp.where(above, limit_squared, 1.0))
    x = jnp.abs(system.longitudinal) / limit
    pt = system.transverse
    exponent = -c.c2 * pt - c.c3 * _power(x, c.c4) - c.c5 * pt * pt - c.c7 * _power(pt * x, c.c6)
    energy = jnp.sqrt(momentum * momentum + mass * mass)
    allowed = above & (x < 1)
    edge = jnp.where(allowed, 1 - x, 1.0) ** c.c8
    return jnp.where(allowed, momentum * momentum / energy * c.c1 * edge * jnp.exp(exponent), 0.0)


def _power(base: jax.Array, exponent: jax.Array | float) -> jax.Array:
    """base^exponent for base >= 0 with a finite gradient at 0 (exponents above 1 are meant)."""
    positive = base > 0
    return jnp.where(positive, jnp.where(positive, base, 1.0) ** exponent, 0.0)
