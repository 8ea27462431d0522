"""Cross-sections of hadrons on nuclei as fits in momentum, in the forms used by the simulation of the BNB.

Source: MiniBooNE, Phys. Rev. D 79 (2009) 072002 (arXiv:0806.1449), and the public G4BNB simulation; the total
cross-section of slow pions: A.S. Carroll et al., Phys. Rev. C 14 (1976) 635, eq. (2).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import ATOMIC_MASS_UNIT, HBAR_C_FM, MASS_PION, MASS_PROTON

_FM2_TO_MB = 10.0
_MASS_NUCLEON = 0.938  # GeV, as in the fit of Carroll et al.


class Regge(NamedTuple):
    """Coefficients of A + B p^n + C ln^2 p + D ln p, mb and GeV/c, with a threshold (1 + tanh[s (p - p0)])/2."""

    a: float
    b: float
    n: float
    c: float
    d: float
    p0: float = -1e3
    s: float = 1.0


class Resonance(NamedTuple):
    """Breit-Wigner in the energy of pion and proton: height in mb, mass and width in GeV."""

    height: float
    mass: float
    width: float


def regge(p: jax.Array, c: Regge) -> jax.Array:
    """(1 + tanh[s (p - p0)])/2 (A + B p^n + C ln^2 p + D ln p) in mb at p > 0 (GeV/c). Shapes: any."""
    logarithm = jnp.log(p)
    smooth = c.a + c.b * p**c.n + c.c * logarithm * logarithm + c.d * logarithm
    return 0.5 * (1 + jnp.tanh(c.s * (p - c.p0))) * smooth


def resonance(p: jax.Array, c: Resonance) -> jax.Array:
    """N (W G)^2 / [(M^2 - W^2)^2 + (W G)^2] in mb, W the energy of a pion of momentum p and a proton at rest."""
    energy = jnp.sqrt(p * p + MASS_PION * MASS_PION) + MASS_PROTON
    square = energy * energy - p * p
    width = square * c.width * c.width
    return c.height * width / ((c.mass * c.mass - square) ** 2 + width)


def slow_pion_total(p: jax.Array, mass_number: float, radius: float, spacing: float) -> jax.Array:
    """Total cross-section of a pion on a nucleus around the Delta resonance, mb (Carroll et al., eq. 2).

    radius (fm) and spacing E1 (GeV): of the nucleus (3.12 fm and 2.5 MeV for Be; 3.76 fm and 15 MeV A^(-2/3) for Al).
    p in GeV/c, 0 < p < 0.8. Shapes: any.
    """
    root = mass_number ** (1 / 3)
    mass = mass_number * ATOMIC_MASS_UNIT
    energy = jnp.sqrt(p * p + MASS_PION * MASS_PION)
    star = p * mass / jnp.sqrt(MASS_PION**2 + mass**2 + 2 * mass * energy)
    wave = star / HBAR_C_FM
    highest = wave * radius + 1
    resonant = 1e-3 * (1227.0 - 16.0 * root)
    narrow, rest = 1e-3 * (-67.0 + 54.0 * root), 1e-3 * (-9.0 + 55.0 * root)
    p0 = ((resonant - _MASS_NUCLEON) ** 2 - MASS_PION**2) ** 0.5
    at = jnp.sqrt(star * star + MASS_PION**2) + jnp.sqrt(star * star + mass * mass) - mass + _MASS_NUCLEON
    elastic = star * narrow / p0
    half = 0.5 * (elastic + rest)
    angle = jnp.arctan((resonant + spacing * highest * highest - at) / half) - jnp.arctan((resonant - at) / half)
    total: jax.Array = _FM2_TO_MB * 2 * jnp.pi / (wave * wave) * elastic / spacing * angle
    return total
