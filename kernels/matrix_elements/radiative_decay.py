"""N -> nu_j gamma and N -> nu_j l+ l- through a transition magnetic moment: widths, densities, samplers.

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
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonModel
from darkhorn.kernels.matrix_elements.neutral_decays import (
    ChainAngles,
    ChainDecay,
    chain_density,
    moment_bracket,
    sample_chain,
    width_vector_to_leptons,
)
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
    q = jnp.sqrt(q2)
    root_lambda = 2 * two_body_momentum(m, m_j, q) / m
    bracket = moment_bracket(m, m_j, q) + majorana * 3 * q2 * m_j / (m * m * m)
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


class MomentDilepton(DileptonModel):
    """N -> nu_j l- l+ through a virtual photon: the numbers of `DileptonModel`, with the moment mu (GeV^-1) for d and
    the charge e for g. Make it with `moment_dilepton`.
    """

    def width_to_boson(self, q: jax.Array) -> jax.Array:
        """Gamma(N -> nu_j gamma*) for a photon of mass q."""
        return width_virtual_photon(self.m, self.m_j, q * q, self.coupling, self.majorana)

    def chain(self, angles: ChainAngles, q: jax.Array, helicity: jax.Array, spin_axis: Vector) -> ChainDecay:
        """The decay through a photon of mass q, of weight 1."""
        one, masses = jnp.ones_like(self.m), (self.m, self.m_j, q, self.m_lepton)
        return sample_chain(angles, *masses, helicity, self.majorana, one, spin_axis, mirror=-1.0)

    def angular_density(self, q: jax.Array, helicity: jax.Array, cosine: jax.Array, lepton: Vector) -> jax.Array:
        """Density of what `chain` draws."""
        one, masses = jnp.ones_like(self.m), (self.m, self.m_j, q, self.m_lepton)
        return chain_density(*masses, helicity, self.majorana, one, cosine, lepton, mirror=-1.0)


_PHOTON = 1e-6  # mass and width of the photon in units of the lepton's mass: 1e-12 of 1/q^4, and a pole that is none


def moment_dilepton(
    m: jax.Array, m_j: jax.Array, m_lepton: jax.Array, moment: jax.Array, majorana: jax.Array
) -> MomentDilepton:
    """The model of N -> nu_j l- l+. Its density is d^5 Gamma, the integral of which is `width_radiative_dilepton`;
    accuracy 1e-12. Scalars; GeV.
    """
    photon = _PHOTON * m_lepton
    charge = jnp.full_like(m, ELECTRIC_CHARGE)
    return MomentDilepton(m, m_j, photon, photon, m_lepton, moment, charge, majorana)
