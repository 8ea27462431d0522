"""A produced particle seen from the centre of mass of beam proton and one target proton."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import MASS_PROTON


class CentreOfMass(NamedTuple):
    """sqrt_s: energy of the proton-proton system; energy, longitudinal and transverse momentum of the particle, GeV."""

    sqrt_s: jax.Array
    energy: jax.Array
    longitudinal: jax.Array
    transverse: jax.Array


def centre_of_mass(
    momentum: jax.Array,
    theta: jax.Array,
    mass: jax.Array | float,
    beam_momentum: jax.Array,
    mass_proton: jax.Array | float = MASS_PROTON,
) -> CentreOfMass:
    """Lab momentum p and polar angle theta (rad) of a particle of a given mass, in the frame with E_cm = sqrt(s):

        s = 2 m_p (m_p + E_B),   gamma = (E_B + m_p)/sqrt(s),   gamma beta = p_B/sqrt(s)
        E* = gamma E - gamma beta p cos(theta),   p_L* = gamma p cos(theta) - gamma beta E,   p_T = p sin(theta)

    Shapes broadcast; GeV. Domain: p > 0 or mass > 0, p_B > 0. Source: PDG Review, "Kinematics".
    """
    beam_energy = jnp.sqrt(beam_momentum * beam_momentum + mass_proton * mass_proton)
    sqrt_s = jnp.sqrt(2 * mass_proton * (mass_proton + beam_energy))
    gamma, gamma_beta = (beam_energy + mass_proton) / sqrt_s, beam_momentum / sqrt_s
    energy = jnp.sqrt(momentum * momentum + mass * mass)
    forward = momentum * jnp.cos(theta)
    return CentreOfMass(
        sqrt_s, gamma * energy - gamma_beta * forward, gamma * forward - gamma_beta * energy, momentum * jnp.sin(theta)
    )


def largest_energy(sqrt_s: jax.Array, mass: jax.Array | float, recoil: jax.Array | float) -> jax.Array:
    """Largest energy in the centre of mass, of a particle produced against the lightest system `recoil` that
    conservation laws allow.

    E*_max = (s + m^2 - M_X^2) / (2 sqrt(s)). Shapes broadcast; GeV.
    """
    return (sqrt_s * sqrt_s + mass * mass - recoil * recoil) / (2 * sqrt_s)
