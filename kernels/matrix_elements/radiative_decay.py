"""N -> nu_j gamma through a transition magnetic moment: width, density, sampler; the width of N -> nu_j l+ l-.

    L = (mu/2) Nbar sigma^{mu nu} P_L nu_j F_{mu nu} + h.c.,    amplitude mu ubar_j sigma^{mu nu} k_mu eps*_nu P_R u_N

Only the right-handed part of N decays, and the helicity of the photon is fixed: N of helicity +1, the one that the same
operator makes by scattering a left-handed neutrino, sends nu_j forward and the photon backward. For a Majorana N the
hermitian conjugate adds the opposite chirality: the slopes cancel and, the photon being massless, nothing interferes,
whatever m_j.

Antiparticles: as in `dilepton_decay`, give the helicity of the CP image.
Sources: Dirac trace (repeated with explicit matrices in the tests); width as R. Shrock, Nucl. Phys. B 206 (1982) 359.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import ELECTRIC_CHARGE
from darkhorn.kernels.kinematics import FourVector, Vector, along, direction, four, two_body_momentum
from darkhorn.kernels.matrix_elements.neutral_decays import width_vector_to_leptons
from darkhorn.kernels.quadrature import gauss_legendre
from darkhorn.kernels.sampling import linear_cosine
from darkhorn.kernels.trigonometry import sincos2pi


class RadiativeUniforms(NamedTuple):
    """Uniform numbers of N -> nu_j gamma: each (n,)."""

    polar: jax.Array
    azimuth: jax.Array


class RadiativeDecay(NamedTuple):
    """Products in the rest frame of N (GeV) and the cosine of nu_j to the spin axis (the photon has the opposite)."""

    neutrino: FourVector
    photon: FourVector
    cos_neutrino: jax.Array


def width_radiative(m: jax.Array, m_j: jax.Array, moment: jax.Array, majorana: jax.Array) -> jax.Array:
    """Gamma(N -> nu_j gamma) = mu^2 m^3/(16 pi) (1 - m_j^2/m^2)^3, twice that for Majorana; 0 where m <= m_j.

    Shapes broadcast; m, m_j in GeV, moment mu in GeV^-1; GeV.
    """
    photon = 2 * _photon_energy(m, m_j)  # m (1 - r^2), factored
    return moment**2 * photon * photon * photon / (16 * jnp.pi) * (1 + majorana)


def _photon_energy(m: jax.Array, m_j: jax.Array) -> jax.Array:
    return 0.5 * jnp.maximum(m - m_j, 0.0) * (m + m_j) / m


def width_virtual_photon(
    m: jax.Array, m_j: jax.Array, q2: jax.Array, moment: jax.Array, majorana: jax.Array
) -> jax.Array:
    """Gamma(N -> nu_j gamma*) to a photon of mass^2 q^2, summed over its three polarisations; `width_radiative` at 0.

    mu^2 m^3/(16 pi) sqrt(lambda) [(1 - r^2)^2 - x (1 + r^2)/2 - x^2/2], r = m_j/m, x = q^2/m^2; Majorana: twice that
    with 3 x r added in the bracket (a real mu: sigma between Majorana fields is antisymmetric, which makes it a
    transition electric dipole). Shapes broadcast; GeV. Zero where closed.
    """
    r, x = m_j / m, q2 / (m * m)
    root_lambda = 2 * two_body_momentum(m, m_j, jnp.sqrt(q2)) / m
    bracket = ((1 - r) * (1 + r)) ** 2 - 0.5 * x * (1 + r * r + x) + majorana * 3 * x * r
    return moment**2 * m**3 / (16 * jnp.pi) * root_lambda * bracket * (1 + majorana)


def width_radiative_dilepton(
    m: jax.Array, m_j: jax.Array, m_lepton: jax.Array, moment: jax.Array, majorana: jax.Array
) -> jax.Array:
    """Gamma(N -> nu_j l- l+) through a virtual photon: (1/pi) int dq^2 Gamma(N -> nu_j gamma*) q Gamma_ll(q)/q^4.

    Gamma_ll(q) is the width of a vector of mass q and coupling e: 2 alpha/(3 pi) ln(m/m_l) of the radiative width for
    light leptons. Shapes broadcast; GeV. Zero where closed. Accuracy 1e-9 (Gauss-Legendre in ln q, with a
    cubic map that takes the square roots at both ends).
    """
    m, m_j, m_lepton, moment, majorana = jnp.broadcast_arrays(m, m_j, m_lepton, moment, majorana)
    opened = m - m_j > 2 * m_lepton
    low = jnp.log(2 * m_lepton)
    high = jnp.where(opened, jnp.log(jnp.where(opened, m - m_j, 1.0)), low + 1.0)

    def wide(array: jax.Array) -> jax.Array:
        return array[..., None]

    def integrand(s: jax.Array) -> jax.Array:
        q = jnp.exp(wide(low) + wide(high - low) * s * s * (3 - 2 * s))
        photon = width_virtual_photon(wide(m), wide(m_j), q * q, wide(moment), wide(majorana))
        leptons = width_vector_to_leptons(q, wide(m_lepton), jnp.asarray(ELECTRIC_CHARGE, q.dtype))
        # dq^2 q / q^4 = 2 dln(q) / q
        return 2 * photon * leptons / q * wide(high - low) * 6 * s * (1 - s)

    zero = jnp.zeros_like(m)
    return jnp.where(opened, gauss_legendre(integrand, zero, zero + 1, 60) / jnp.pi, 0.0)


def radiative_density(
    cos_neutrino: jax.Array,
    m: jax.Array,
    m_j: jax.Array,
    moment: jax.Array,
    majorana: jax.Array,
    helicity: jax.Array,
) -> jax.Array:
    """d^2 Gamma/(dcos dphi) = Gamma (1 + h cos)/(4 pi), isotropic for Majorana; exact for every m_j < m.

    cos is that of nu_j to the spin axis, h the polarisation along it (any number in [-1, 1]). Shapes broadcast; GeV.
    """
    return width_radiative(m, m_j, moment, majorana) * (1 + helicity * (1 - majorana) * cos_neutrino) / (4 * jnp.pi)


def sample_radiative(
    u: RadiativeUniforms, m: jax.Array, m_j: jax.Array, majorana: jax.Array, helicity: jax.Array, spin_axis: Vector
) -> RadiativeDecay:
    """N -> nu_j gamma from its exact density: every event has the weight `width_radiative`.

    Shapes: u and spin_axis (n,), the rest broadcast; GeV. The decay must be open. Differentiable in the masses.
    """
    cosine = linear_cosine(u.polar, helicity * (1 - majorana))
    sin_phi, cos_phi = sincos2pi(u.azimuth)
    n = direction(cosine, sin_phi, cos_phi)
    n = along(spin_axis, n.x, n.y, n.z)
    momentum = jnp.broadcast_to(_photon_energy(m, m_j), cosine.shape)
    neutrino = four(momentum + m_j * m_j / m, n.scale(momentum))  # (m^2 + m_j^2)/2m, the digits of m kept
    return RadiativeDecay(neutrino, four(momentum, n.scale(-momentum)), cosine)
