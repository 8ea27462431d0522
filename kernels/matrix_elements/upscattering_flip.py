"""nu(k1) + A(k2) -> N(k3, helicity h) + A(k4) by currents that flip chirality: a transition magnetic moment, a scalar.

    L = (mu/2) Nbar sigma^{mu nu} P_L nu F_{mu nu} + h.c.     photon exchange, vertex mu sigma^{mu nu} q_nu P_L
    L = s h' Nbar P_L nu + h.c.                               exchange of the dark scalar h'

Notation and shapes as in `upscattering`, of which this is the sibling. The spin of N enters by K' = k3 + h m S, which
is the K of the other helicity: what an exchange of a vector makes with h = -1 these make with h = +1, so that the
"flipping" cross section is the large one. Neutrinos and antineutrinos have the same values. Source: traces over Dirac
spinors, done for this project, compared with explicit matrices and with reference numbers in the tests.
"""

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import DIPOLE_VECTOR_MASS
from darkhorn.kernels.form_factors import dipole, fourier_bessel, nucleon_vector
from darkhorn.kernels.matrix_elements.upscattering import (
    FormFactors,
    Products,
    Target,
    helicity_products,
    to_density,
)


def dsigma_dq2_dipole(
    energy: jax.Array, q2: jax.Array, m: jax.Array, helicity: jax.Array, target: Target, strength: jax.Array
) -> jax.Array:
    """dsigma/dQ^2 of nu A -> N A by a transition magnetic moment mu, for one helicity of N: THE density of the process.

    |M|^2 = C / Q^4, C that of `dipole_contraction` with the electromagnetic form factors times `strength` = mu e Z for
    a nucleus, mu e for a nucleon (whose form factors hold its charge). GeV^-1.

    Shapes broadcast. 1e-38 cm^2/GeV^2 per scatterer; zero outside the physical range, never NaN. Accuracy: rounding
    times 1 + Q^2/Q^2_min in the conserving helicity, which falls as Q^2_min/Q^2 relative to the other; rounding else.
    A Majorana N has the same value: the other chirality annihilates the neutrinos of the beam.
    """
    mass = target.mass
    x, inside = helicity_products(energy, q2, m, mass, -helicity)
    nuclear = fourier_bessel(x.q2, target.radius, target.coefficients)
    f1, f2 = nucleon_vector(x.q2, mass, target.charge, target.magnetic_moment, target.parametrisation)
    nucleon = target.is_nucleon > 0.5
    form = FormFactors(
        strength * jnp.where(nucleon, f1, nuclear), strength * jnp.where(nucleon, f2, 0.0), jnp.zeros_like(x.q2)
    )
    safe = jnp.where(x.q2 > 0, x.q2, 1.0)
    return to_density(dipole_contraction(x, m, mass, form) / (safe * safe), energy, mass, inside & (x.q2 > 0))


def dipole_contraction(x: Products, m: jax.Array, mass: jax.Array, form: FormFactors) -> jax.Array:
    """C of |M|^2 = C/Q^4, summed over the spins of the scatterer, for one helicity of N. GeV^6 times those of F^2.

    C = 2 (F1^2 + tau F2^2) [2 (K'.P)(kappa.P) - (4M^2 + Q^2) K'.kappa] - 2 G_M^2 [2 (K'.q)(kappa.q) - Q^2 K'.kappa],
    kappa = 2 (q.k1) q + Q^2 k1. With q = k1 - k3 = k4 - k2, so for a scatterer that keeps its mass,
    kappa.P = Q^2 k1.P, kappa.q = Q^2 (m^2 + Q^2)/2, K'.kappa = m^2 K.k1 = m^2 (m^2 + Q^2 - K'.k1). Shapes broadcast.
    """
    other = m * m + x.q2 - x.k_k1
    g_m = form.f1 + form.f2
    tau = x.q2 / (4 * mass * mass)
    electric = 2 * x.q2 * (x.k_k2 + x.k_k4) * (x.k1_k2 + x.k1_k4) - (4 * mass * mass + x.q2) * m * m * other
    magnetic = x.q2 * (x.k_q * (m * m + x.q2) - m * m * other)
    return 2 * (form.f1 * form.f1 + tau * form.f2 * form.f2) * electric - 2 * g_m * g_m * magnetic


def dsigma_dq2_scalar(
    energy: jax.Array,
    q2: jax.Array,
    m: jax.Array,
    m_scalar: jax.Array,
    helicity: jax.Array,
    target: Target,
    coupling: jax.Array,
) -> jax.Array:
    """dsigma/dQ^2 of nu A -> N A by exchange of a scalar, for one helicity of N: THE density of the process.

    |M|^2 = 2 (4M^2 + Q^2) (K'.k1) [coupling F/(m_h'^2 + Q^2)]^2, with `coupling` = s times that of h' to the
    scatterer at rest (h' Abar A). F is the charge form factor for a nucleus, whose matter is taken to lie where
    its charge does, and for a nucleon the dipole of its electric form factor: its scalar radius is not measured.

    Shapes broadcast; GeV. 1e-38 cm^2/GeV^2 per scatterer; zero outside the physical range, never NaN. Accuracy:
    rounding.
    """
    mass = target.mass
    x, inside = helicity_products(energy, q2, m, mass, -helicity)
    nuclear = fourier_bessel(x.q2, target.radius, target.coefficients)
    form = jnp.where(target.is_nucleon > 0.5, dipole(x.q2, DIPOLE_VECTOR_MASS), nuclear)
    exchanged = coupling * form / (m_scalar * m_scalar + x.q2)
    return to_density(2 * (4 * mass * mass + x.q2) * x.k_k1 * exchanged * exchanged, energy, mass, inside)
