"""Decays of a heavy neutral lepton through a dark scalar h', and of the scalar: densities, samplers, widths.

    L = s h' Nbar P_L nu_j + h.c. + g h' lbar l

h' mixes with the Higgs boson by the angle theta: it couples to a fermion with sin(theta) m_f/v, v = 246 GeV.
Notation as in `neutral_decays`: r = m_j/m, x = m_h'^2/m^2, lambda = Kallen(1, r^2, x); h the polarisation of N along
the spin axis. Sources: Dirac traces made for this project (repeated with explicit matrices in the tests) and, for the
decays of the scalar, J. F. Gunion et al., The Higgs Hunter's Guide (1990), chapter 2; M. W. Winkler, Phys. Rev. D 99
(2019) 015018 (pions). Antiparticles: as in `dilepton_decay`, give the helicity of the CP image.
"""

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import (
    ALPHA,
    HIGGS_VEV,
    MASS_BOTTOM,
    MASS_CHARM,
    MASS_ELECTRON,
    MASS_MUON,
    MASS_PION,
    MASS_TAU,
    MASS_TOP,
    MASS_W,
)
from darkhorn.kernels.kinematics import FourVector, Vector, along, direction, four, is_open, two_body_momentum
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonModel
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles, ChainDecay
from darkhorn.kernels.sampling import linear_cosine
from darkhorn.kernels.trigonometry import sincos2pi


def width_to_scalar(
    m: jax.Array, m_j: jax.Array, m_scalar: jax.Array, coupling: jax.Array, majorana: jax.Array
) -> jax.Array:
    """Gamma(N -> nu_j h') for the vertex s h' Nbar P_L nu_j + h.c.

    Dirac s^2 m/(32 pi) sqrt(lambda) (1 + r^2 - x), Majorana s^2 m/(16 pi) sqrt(lambda) (1 + r^2 - x + 2r) (a real s).
    Shapes broadcast; GeV; majorana is 0 or 1. Zero where closed.
    """
    momentum = two_body_momentum(m, m_j, m_scalar)
    energy = jnp.sqrt(momentum * momentum + m_j * m_j)
    width = coupling**2 * momentum * (energy + majorana * m_j) / (8 * jnp.pi * m) * (1 + majorana)
    return jnp.where(is_open(m, m_j, m_scalar), width, 0.0)


def scalar_slope(m: jax.Array, m_j: jax.Array, m_scalar: jax.Array, helicity: jax.Array) -> jax.Array:
    """Slope a of the density (1 + a cos theta)/2 of the daughter neutrino about the spin axis: a = -h p_j/E_j.

    N of helicity +1, the one that the same vertex makes by scattering a left-handed neutrino, sends the neutrino
    backward and h' forward. 0 for Majorana (give h = 0). Shapes broadcast; GeV. Where m_j = 0, a = -h.
    """
    momentum = two_body_momentum(m, m_j, m_scalar)
    energy = jnp.sqrt(momentum * momentum + m_j * m_j)
    moving = energy > 0
    return -helicity * jnp.where(moving, momentum / jnp.where(moving, energy, 1.0), 0.0)


def width_scalar_to_leptons(m_scalar: jax.Array, m_lepton: jax.Array, coupling: jax.Array) -> jax.Array:
    """Gamma(h' -> l+ l-) for g h' lbar l: g^2 m_h'/(8 pi) (1 - 4y)^(3/2), y = m_l^2/m_h'^2. Shapes broadcast; GeV.
    Zero where closed.
    """
    y = (m_lepton / m_scalar) ** 2
    opened = y < 0.25
    beta2 = jnp.where(opened, 1 - 4 * y, 1.0)
    return jnp.where(opened, coupling**2 * m_scalar / (8 * jnp.pi) * beta2 * jnp.sqrt(beta2), 0.0)


def width_scalar_to_neutral_pair(
    m_scalar: jax.Array, m_1: jax.Array, m_2: jax.Array, coupling: jax.Array, majorana: jax.Array
) -> jax.Array:
    """Gamma(h' -> N_1 N_2) for s h' N1bar P_L N2 + h.c., N_1 and N_2 different; both charges for Dirac.

    Dirac s^2 m_h'/(8 pi) sqrt(lambda) (1 - r1^2 - r2^2), Majorana s^2 m_h'/(8 pi) sqrt(lambda) [1 - (r1 + r2)^2],
    r = m/m_h'. Shapes broadcast; GeV. Zero where closed.
    """
    momentum = two_body_momentum(m_scalar, m_1, m_2)
    square = m_scalar * m_scalar - m_1 * m_1 - m_2 * m_2 - majorana * 2 * m_1 * m_2
    width = coupling**2 * momentum * square / (4 * jnp.pi * m_scalar * m_scalar)
    return jnp.where(is_open(m_scalar, m_1, m_2), width, 0.0)


def width_scalar_to_pions(m_scalar: jax.Array, sin_theta: jax.Array) -> jax.Array:
    """Gamma(h' -> pi pi), charged and neutral, at leading order of chiral perturbation theory.

    3 sin^2(theta)/(32 pi v^2 m_h') |2 m_h'^2/9 + 11 m_pi^2/9|^2 sqrt(1 - 4 m_pi^2/m_h'^2). Shapes broadcast; GeV. Zero
    where closed. Domain: m_h' < 0.6 GeV, where final-state interactions add up to a factor 2; above, the f0(980) makes
    it wrong by more. Source: J. F. Donoghue, J. Gasser, H. Leutwyler, Nucl. Phys. B 343 (1990) 341.
    """
    y = (MASS_PION / m_scalar) ** 2
    opened = y < 0.25
    beta = jnp.sqrt(jnp.where(opened, 1 - 4 * y, 1.0))
    form = (2 * m_scalar * m_scalar + 11 * MASS_PION**2) / 9
    width = 3 * (sin_theta / HIGGS_VEV) ** 2 / (32 * jnp.pi * m_scalar) * form * form * beta
    return jnp.where(opened, width, 0.0)


# (mass, colours x charge^2): charged leptons and the heavy quarks; u, d, s are no particles at these energies
_LOOPS = (
    (MASS_ELECTRON, 1.0), (MASS_MUON, 1.0), (MASS_TAU, 1.0),
    (MASS_CHARM, 4 / 3), (MASS_BOTTOM, 1 / 3), (MASS_TOP, 4 / 3),
)  # fmt: skip


def width_scalar_to_photons(m_scalar: jax.Array, sin_theta: jax.Array) -> jax.Array:
    """Gamma(h' -> gamma gamma) of a scalar that mixes with the Higgs boson: loops of the W, leptons, and c, b, t.

    sin^2(theta) alpha^2 m_h'^3/(256 pi^3 v^2) |sum_f N_c Q_f^2 A_f(tau_f) + A_W(tau_W)|^2, tau = m_h'^2/4m^2,
    A_f = 2 [tau + (tau - 1) f]/tau^2, A_W = -[2 tau^2 + 3 tau + 3 (2 tau - 1) f]/tau^2, f = asin^2(sqrt tau), above
    tau = 1 -[arcosh(sqrt tau) - i pi/2]^2. Shapes broadcast; GeV. Domain: m_h' < 1 GeV. Accuracy: loops of light
    mesons in place of u, d, s are left out, some 10 % below 2 m_pi. Source: see the module.
    """
    real, imaginary = jnp.zeros_like(m_scalar), jnp.zeros_like(m_scalar)
    for mass, charges in _LOOPS:
        a, b = _fermion_loop((m_scalar / (2 * mass)) ** 2)
        real, imaginary = real + charges * a, imaginary + charges * b
    tau = (m_scalar / (2 * MASS_W)) ** 2
    real = real - (7 + tau * (22 / 15 + 76 / 105 * tau))  # its series: tau < 4e-5 here
    factor = (sin_theta * ALPHA / HIGGS_VEV) ** 2 * m_scalar**3 / (256 * jnp.pi**3)
    return factor * (real * real + imaginary * imaginary)


def _fermion_loop(tau: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Real and imaginary part of A_f. Below tau = 0.01 its series, since the closed form cancels there."""
    small, above = tau < 1e-2, tau > 1
    series = 4 / 3 * (1 + tau * (7 / 30 + tau * (2 / 21 + tau * 26 / 525)))
    # at tau = 1 itself the slopes of f are infinite, those of (tau - 1) f are not
    inside = jnp.minimum(jnp.where(small | above, 0.5, tau), 1 - 1e-14)
    outside = jnp.maximum(jnp.where(above, tau, 2.0), 1 + 1e-14)
    arc = jnp.arcsin(jnp.sqrt(inside))
    hyperbolic = jnp.arccosh(jnp.sqrt(outside))
    f_real = jnp.where(above, jnp.pi**2 / 4 - hyperbolic * hyperbolic, arc * arc)
    f_imaginary = jnp.where(above, jnp.pi * hyperbolic, 0.0)
    safe = jnp.where(above, outside, inside)
    real = 2 * (safe + (safe - 1) * f_real) / (safe * safe)
    imaginary = 2 * (safe - 1) * f_imaginary / (safe * safe)
    return jnp.where(small, series, real), jnp.where(small, 0.0, imaginary)


def sample_scalar_chain(
    u: ChainAngles,
    m: jax.Array,
    m_j: jax.Array,
    m_scalar: jax.Array,
    m_lepton: jax.Array,
    helicity: jax.Array,
    majorana: jax.Array,
    spin_axis: Vector,
) -> ChainDecay:
    """N -> nu_j h', h' -> l- l+ from the exact density: (1 + a cos)/2 about the spin axis, then isotropic; weight 1.

    Shapes: u and spin_axis (n,), the rest broadcast; GeV. The chain must be open. Differentiable in the masses.
    """
    cosine = linear_cosine(u.polar, scalar_slope(m, m_j, m_scalar, helicity * (1 - majorana)))
    n = direction(cosine, *sincos2pi(u.azimuth))
    z_axis = along(spin_axis, n.x, n.y, n.z)
    e = direction(2 * u.lepton - 1, *sincos2pi(u.lepton_azimuth))
    k = two_body_momentum(m, m_j, m_scalar)
    energy = jnp.sqrt(k * k + m_scalar * m_scalar)
    momentum = two_body_momentum(m_scalar, m_lepton, m_lepton)

    def lepton(sign: float) -> FourVector:
        along_z = sign * momentum * e.z  # in the scalar's frame; the scalar flies towards -z'
        gamma, gamma_beta = energy / m_scalar, k / m_scalar
        across = sign * momentum
        p = along(z_axis, across * e.x, across * e.y, gamma * along_z - gamma_beta * (0.5 * m_scalar))
        return four(gamma * (0.5 * m_scalar) - gamma_beta * along_z, p)

    neutrino = four(jnp.broadcast_to(jnp.sqrt(k * k + m_j * m_j), cosine.shape), z_axis.scale(k))
    return ChainDecay(neutrino, lepton(1.0), lepton(-1.0), cosine)


class ScalarDilepton(DileptonModel):
    """N -> nu_j l- l+ through a scalar of any mass and width: the numbers of `DileptonModel`, with s and g for d and g.

    At fixed q^2 it is the chain with a scalar of mass q, exactly: a scalar carries no polarisation.
    """

    def width_to_boson(self, q: jax.Array) -> jax.Array:
        """Gamma(N -> nu_j h') for a scalar of mass q."""
        return width_to_scalar(self.m, self.m_j, q, self.coupling, self.majorana)

    def width_to_leptons(self, q: jax.Array) -> jax.Array:
        """Gamma(h' -> l- l+) for a scalar of mass q."""
        return width_scalar_to_leptons(q, self.m_lepton, self.lepton_coupling)

    def chain(self, angles: ChainAngles, q: jax.Array, helicity: jax.Array, spin_axis: Vector) -> ChainDecay:
        """The decay through a scalar of mass q on shell, of weight 1."""
        return sample_scalar_chain(angles, self.m, self.m_j, q, self.m_lepton, helicity, self.majorana, spin_axis)

    def angular_density(self, q: jax.Array, helicity: jax.Array, cosine: jax.Array, lepton: Vector) -> jax.Array:
        """(1 + a cos)/(16 pi^2), a of `scalar_slope`."""
        slope = scalar_slope(self.m, self.m_j, q, helicity * (1 - self.majorana))
        return (1 + slope * cosine) / (16 * jnp.pi**2)
