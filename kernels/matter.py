"""Passage of charged particles through matter: mean energy loss, multiple scattering, coherent elastic scattering."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import MASS_ELECTRON

BETHE = 0.307075e-3  # GeV cm2/mol: K = 4 pi N_A r_e^2 m_e c^2
HIGHLAND = 0.0136  # GeV
SLOPE_OF_NUCLEI = 14.5  # GeV^-2: slope of coherent elastic scattering in t, per A^(2/3)
# GeV^-2: slope of pion-nucleon scattering at 10 to 50 GeV/c, for quasi-elastic scattering; D.S. Ayres et al., Phys.
# Rev. D 15 (1977) 3105 (8 to 9)
SLOPE_OF_NUCLEON = 8.0


class Stopping(NamedTuple):
    """A material for `energy_loss`: Z/A, density (g/cm3), mean excitation energy (GeV), and the density effect."""

    charge_over_mass: float
    density: float
    excitation: float
    c_bar: float
    x0: float
    x1: float
    a: float
    k: float


# R.M. Sternheimer, M.J. Berger, S.M. Seltzer, At. Data Nucl. Data Tables 30 (1984) 261, as tabulated by the PDG
BERYLLIUM = Stopping(4 / 9.0121831, 1.848, 63.7e-9, 2.7847, 0.0592, 1.6922, 0.80392, 2.4339)
GRAPHITE = Stopping(6 / 12.011, 1.7, 78.0e-9, 3.1550, 0.0480, 2.5387, 0.20762, 2.9532)
ALUMINIUM = Stopping(13 / 26.9815384, 2.699, 166.0e-9, 4.2395, 0.1708, 3.0127, 0.08024, 3.6345)
IRON = Stopping(26 / 55.845, 7.874, 286.0e-9, 4.2911, -0.0012, 3.1531, 0.14680, 2.9632)
CONCRETE = Stopping(0.50274, 2.300, 135.2e-9, 3.9464, 0.1301, 3.0466, 0.07515, 3.5467)  # shielding concrete


def energy_loss(p: jax.Array, mass: jax.Array | float, m: Stopping) -> jax.Array:
    """Mean -dE/dx in GeV/cm of a particle of charge 1 (Bethe, with the density effect).

    K rho Z/A 1/beta^2 [1/2 ln(2 m_e beta^2 gamma^2 T_max/I^2) - beta^2 - delta/2]. p > 0 and mass in GeV, 0.1 < beta
    gamma < 1000. Shapes broadcast. Accuracy: 1 %. Source: PDG Review, "Passage of particles
    through matter".
    """
    eta = p / mass
    gamma = jnp.sqrt(1 + eta * eta)
    beta2 = eta * eta / (gamma * gamma)
    ratio = MASS_ELECTRON / mass
    largest = 2 * MASS_ELECTRON * eta * eta / (1 + 2 * gamma * ratio + ratio * ratio)
    x = jnp.log10(eta)
    between = 4.605170185988092 * x - m.c_bar
    delta = jnp.where(x >= m.x1, between, jnp.where(x > m.x0, between + m.a * jnp.maximum(m.x1 - x, 0.0) ** m.k, 0.0))
    logarithm = 0.5 * jnp.log(2 * MASS_ELECTRON * eta * eta * largest / (m.excitation * m.excitation))
    return BETHE * m.density * m.charge_over_mass / beta2 * (logarithm - beta2 - delta / 2)


def scattering_variance(thickness: jax.Array, p: jax.Array, beta: jax.Array) -> jax.Array:
    """Variance of the angle projected on a plane (rad^2) behind a thickness in radiation lengths.

    [13.6 MeV/(beta p)]^2 t (1 + 0.038 ln(t/beta^2))^2, the last term with t >= 1e-5. For a track in steps take
    differences of the variance at the thickness crossed so far, so that it does not depend on the step. Shapes
    broadcast; GeV. Accuracy 11 % for 1e-3 < t < 100. Source: G.R. Lynch and O.I. Dahl, NIM B 58 (1991) 6; PDG Review.
    """
    factor = 1 + 0.038 * jnp.log(jnp.maximum(thickness, 1e-5) / (beta * beta))
    scale = HIGHLAND / (beta * p) * factor
    return scale * scale * thickness


def elastic_slope(mass_number: float) -> float:
    """Slope in t of coherent elastic scattering on a nucleus, 14.5 GeV^-2 A^(2/3). A number, not an array.

    Source: G. Bellettini et al., Nucl. Phys. 79 (1966) 609.
    """
    return float(SLOPE_OF_NUCLEI * mass_number ** (2 / 3))


def elastic_angle_squared(u: jax.Array, p: jax.Array, slope: jax.Array | float) -> jax.Array:
    """Squared angle (rad^2) of elastic scattering, from a uniform number in (0, 1).

    -t = p^2 theta^2 is exponential with the slope (GeV^-2); cut at theta = 1. Shapes broadcast; p in GeV.
    """
    return jnp.minimum(-jnp.log(u) / (slope * p * p), 1.0)
