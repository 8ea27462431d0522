"""Form factors of nuclei and nucleons.

One kernel, the Fourier-Bessel series, serves every nuclide: densities without a measured series are expanded in one
when the channel is built (geometry/nuclides.py), so that nuclides are data and not code.
"""

import math

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import (
    AXIAL_COUPLING,
    DIPOLE_AXIAL_MASS,
    DIPOLE_VECTOR_MASS,
    HBAR_C_FM,
    MAGNETIC_MOMENT_NEUTRON,
    SIN2_THETA_W,
)
from darkhorn.kernels.trigonometry import sincos2pi

_NEAR_POLE = 1e-3


def fourier_bessel(q2: jax.Array, radius: jax.Array, coefficients: jax.Array) -> jax.Array:
    """Form factor of a charge density rho(r) = sum_n a_n j0(n pi r / R) inside R, normalised to F(0) = 1.

    F(q) = [sum_n a_n (-1)^n j0(qR) / ((n pi)^2 - (qR)^2)] / [sum_n a_n (-1)^n / (n pi)^2],   q = sqrt(Q^2)

    Shapes: q2 (...), radius (), coefficients (n_terms,); result (...). Units: GeV^2, fm, any. Signed: F changes sign
    at its zeros. The poles at qR = n pi are removable and handled. Accuracy: 1e-11 absolute against a 30-digit sum.
    Beyond the range of the electron-scattering data (q of about 3/fm) it is an extrapolation. Trailing zero
    coefficients change nothing. Source: H. de Vries, C.W. de Jager, C. de Vries, At. Data Nucl. Data Tables 36 (1987)
    495, section III.
    """
    n_terms = coefficients.shape[0]
    x = jnp.sqrt(jnp.maximum(q2, 0.0) + 1e-30) * (radius / HBAR_C_FM)
    sine, _ = sincos2pi(x / (2 * math.pi))
    total, norm = jnp.zeros_like(x), jnp.zeros((), x.dtype)
    for n in range(1, n_terms + 1):
        a, n_pi, sign = coefficients[n - 1], n * math.pi, (-1) ** n
        distance = n_pi - x
        near = jnp.abs(distance) < _NEAR_POLE
        # (-1)^n sin(x) = -sin(n pi - x), so that next to the pole sin(x)/distance is replaced by its series
        above = jnp.where(near, -(1 - distance * distance / 6), sign * sine)
        below = jnp.where(near, 1.0, distance) * (n_pi + x)
        total = total + a * above / below
        norm = norm + sign * a / n_pi**2
    return total / (x * norm)


def dipole(q2: jax.Array, mass: float) -> jax.Array:
    """(1 + Q^2 / M^2)^-2. Shapes: any. GeV^2, GeV."""
    denominator = 1 + q2 / mass**2
    return 1 / (denominator * denominator)


# Parametrisations of the nucleon's vector form factors, as numbers so that they can be data of a compiled program.
DIPOLE, GALSTER, KELLY = 0.0, 1.0, 2.0

# J. J. Kelly, Phys. Rev. C 70 (2004) 068202, Table I: G = (1 + a1 tau)/(1 + b1 tau + b2 tau^2 + b3 tau^3).
_KELLY_ELECTRIC_PROTON = (-0.24, 10.98, 12.82, 21.97)
_KELLY_MAGNETIC_PROTON = (0.12, 10.97, 18.86, 6.55)
_KELLY_MAGNETIC_NEUTRON = (2.33, 14.72, 24.20, 84.1)
# G_E of the neutron, A tau/(1 + B tau) G_D. S. Galster et al., Nucl. Phys. B 32 (1971) 221: A = -mu_n, B = 5.6.
_GALSTER_NEUTRON = (-MAGNETIC_MOMENT_NEUTRON, 5.6)
_KELLY_NEUTRON = (1.70, 3.30)


def _rational(tau: jax.Array, coefficients: tuple[float, float, float, float]) -> jax.Array:
    a1, b1, b2, b3 = coefficients
    return (1 + a1 * tau) / (1 + tau * (b1 + tau * (b2 + tau * b3)))


def nucleon_vector(
    q2: jax.Array,
    mass: jax.Array,
    charge: jax.Array,
    magnetic_moment: jax.Array,
    parametrisation: jax.Array | float | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Dirac and Pauli form factors F1, F2 of a nucleon from its Sachs form factors G_E, G_M.

    F1 = (G_E + tau G_M)/(1 + tau), F2 = (G_M - G_E)/(1 + tau), tau = Q^2/4M^2, and by `parametrisation` (None: DIPOLE)
      DIPOLE    G_E = charge G_D, G_M = mu G_D, G_D = (1 + Q^2/0.843^2)^-2: none for the neutron's charge
      GALSTER   the same, with G_E = -mu_n tau/(1 + 5.6 tau) G_D for the neutron
      KELLY     G_E^p, G_M^p/mu_p, G_M^n/mu_n = (1 + a1 tau)/(1 + b1 tau + b2 tau^2 + b3 tau^3), G_E^n = 1.70 tau/(1 +
                3.30 tau) G_D

    Shapes broadcast; GeV^2, GeV, units of e (1 or 0), nuclear magnetons. Accuracy against data below 1 GeV^2: dipole 2
    to 4 % of the proton's, Kelly 1 to 2 %; neutron electric 15 % of itself (Galster), 5 to 10 % (Kelly). Domain of
    Kelly: Q^2 < 30 GeV^2.
    Sources: C. H. Llewellyn Smith, Phys. Rept. 3 (1972) 261 (dipole); beside the numbers above (others).
    """
    shape = dipole(q2, DIPOLE_VECTOR_MASS)
    tau = q2 / (4 * mass * mass)
    if parametrisation is None:  # known before compilation: the cheap form alone
        electric, magnetic = charge * shape, magnetic_moment * shape
        return (electric + tau * magnetic) / (1 + tau), (magnetic - electric) / (1 + tau)
    is_proton, kelly = charge > 0.5, jnp.asarray(parametrisation) > 0.5 * (GALSTER + KELLY)
    with_neutron_charge = jnp.asarray(parametrisation) > 0.5 * (DIPOLE + GALSTER)
    slope = jnp.where(kelly, _KELLY_NEUTRON[0], _GALSTER_NEUTRON[0]).astype(tau.dtype)
    curve = jnp.where(kelly, _KELLY_NEUTRON[1], _GALSTER_NEUTRON[1]).astype(tau.dtype)
    neutron = jnp.where(with_neutron_charge, slope * tau / (1 + curve * tau) * shape, 0.0)
    proton = jnp.where(kelly, _rational(tau, _KELLY_ELECTRIC_PROTON), shape)
    of_kelly = jnp.where(is_proton, _rational(tau, _KELLY_MAGNETIC_PROTON), _rational(tau, _KELLY_MAGNETIC_NEUTRON))
    electric = jnp.where(is_proton, charge * proton, neutron)
    magnetic = magnetic_moment * jnp.where(kelly, of_kelly, shape)
    return (electric + tau * magnetic) / (1 + tau), (magnetic - electric) / (1 + tau)


def nucleon_axial(q2: jax.Array, isospin: jax.Array) -> jax.Array:
    """Neutral-current axial form factor G_A = T3 g_A (1 + Q^2/M_A^2)^-2, T3 = +1/2 (p), -1/2 (n); no strange part.

    The nucleon current is gamma^mu F1 + i sigma q F2/2M - gamma^mu gamma5 G_A. Shapes broadcast; GeV^2.
    """
    return isospin * AXIAL_COUPLING * dipole(q2, DIPOLE_AXIAL_MASS)


def neutral_current(own: jax.Array, other: jax.Array) -> jax.Array:
    """Vector neutral-current form factor of a nucleon from the electromagnetic ones of it and of the other nucleon.

    F^nc = (F^own - F^other)/2 - 2 sin^2 theta_W F^own, for proton and neutron alike: conserved vector current, no
    strange part. Shapes broadcast.
    """
    return 0.5 * (own - other) - 2 * SIN2_THETA_W * own


def weak_charge_of_nucleus(protons: int, neutrons: int) -> float:
    """Z (1/2 - 2 sin^2 theta_W) - N/2: the vector charge of a nucleus seen by the Z (unit g/2c_W)."""
    return protons * (0.5 - 2 * SIN2_THETA_W) - 0.5 * neutrons
