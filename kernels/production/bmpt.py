"""BMPT parametrisation of pion and kaon production by protons of tens to hundreds of GeV.

Source: M. Bonesini, A. Marchionni, F. Pietropaolo, T. Tabarelli de Fatis, Eur. Phys. J. C 20 (2001) 13
(hep-ph/0101163). Codes in public disagree on the sign of gamma: a' = a/x_R^gamma is the one that describes NA49 data.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import MASS_PROTON
from darkhorn.kernels.production.frames import centre_of_mass, largest_energy

MASS_NUMBER_BERYLLIUM = 9.012  # the nucleus that the coefficients describe


class Bmpt(NamedTuple):
    """Coefficients of one species; numbers or arrays that broadcast.

    a, b, alpha, beta, slope, gamma, delta   A, B, alpha, beta, a, gamma, delta of the paper, for the positive meson
    ratio, power    the negative meson is the positive one over ratio (1 + sign x_R)^power; 1, 0 for a positive meson
    sign            +1 for pions, -1 for kaons
    mass, recoil    of the meson, and of the lightest system produced with it: GeV
    """

    a: jax.Array | float
    b: jax.Array | float
    alpha: jax.Array | float
    beta: jax.Array | float
    slope: jax.Array | float
    gamma: jax.Array | float
    delta: jax.Array | float
    ratio: jax.Array | float
    power: jax.Array | float
    sign: jax.Array | float
    mass: jax.Array | float
    recoil: jax.Array | float


def bmpt(
    momentum: jax.Array,
    theta: jax.Array,
    beam_momentum: jax.Array,
    mass_number: jax.Array | float,
    c: Bmpt,
    mass_proton: jax.Array | float = MASS_PROTON,
) -> jax.Array:
    """Invariant cross-section E d3sigma/dp3 in mb/GeV^2 per nucleus.

        A (1 - x_R)^alpha (1 + B x_R) x_R^-beta (1 + a' p_T + b' p_T^2) exp(-a' p_T)
        a' = a/x_R^gamma,  b' = a^2/(2 x_R^delta),  x_R = E*/E*_max,  E*_max = (s + m^2 - M_X^2)/(2 sqrt(s))

    times (A_nucleus/9.012)^[(0.74 - 0.55 |x_F| + 0.26 x_F^2)(0.98 + 0.21 p_T^2)], x_F = p_L*/p*_max.

    momentum, theta, beam_momentum: GeV/c, rad, GeV/c; shapes broadcast. Domain: p > 0. Zero for x_R >= 1. Against NA49
    (p+C, 158 GeV) it is 5 % low for pi+ and K+, 12 % low for negative mesons, and falls too fast above p_T = 0.7 GeV.
    """
    system = centre_of_mass(momentum, theta, c.mass, beam_momentum, mass_proton)
    top = largest_energy(system.sqrt_s, c.mass, c.recoil)
    allowed = (system.energy < top) & (top > c.mass)
    x = jnp.where(allowed, system.energy / jnp.where(allowed, top, 1.0), 0.5)
    xf = jnp.abs(system.longitudinal) / jnp.sqrt(jnp.where(allowed, top * top - c.mass * c.mass, 1.0))
    pt = system.transverse
    steepness = c.slope / x**c.gamma
    curvature = c.slope * c.slope / (2 * x**c.delta)
    shape = (1 - x) ** c.alpha * (1 + c.b * x) * x ** (-c.beta)
    transverse = (1 + steepness * pt + curvature * pt * pt) * jnp.exp(-steepness * pt)
    charge = c.ratio * (1 + c.sign * x) ** c.power
    exponent = (0.74 - 0.55 * xf + 0.26 * xf * xf) * (0.98 + 0.21 * pt * pt)
    nucleus = (mass_number / MASS_NUMBER_BERYLLIUM) ** exponent
    return jnp.where(allowed, c.a * shape * transverse / charge * nucleus, 0.0)


def per_momentum_and_angle(invariant: jax.Array, momentum: jax.Array, mass: jax.Array | float) -> jax.Array:
    """d2sigma/dp dOmega = (p^2/E) E d3sigma/dp3: mb/GeV^2 to mb/(GeV/c)/sr. Shapes broadcast."""
    return momentum * momentum / jnp.sqrt(momentum * momentum + mass * mass) * invariant


def neutral_kaon(positive: jax.Array, negative: jax.Array) -> jax.Array:
    """K0_L (or K0_S) from K+ and K-: (K+ + 3 K-)/4, from counting valence and sea quarks. Shapes broadcast.

    K0 = (K+ + K-)/2 of proton and neutron on average, anti-K0 = K-, and a K0_L is half of each. Source: as above.
    """
    return (positive + 3 * negative) / 4
