"""What is exchanged in nu A -> N A: a Z' and the Z, the photon by a transition magnetic moment, a dark scalar.

Each is a NamedTuple of numbers with the same methods, so that one sampler, one stage and one quadrature serve all: the
class is known when a program is compiled, its numbers are data. At rest: `upscattering`, `upscattering_flip`. Here are
the squared amplitudes for a nucleon that moves in a nucleus and gives the energy E_b to the rest of it (`fermi_gas`).

With q~ = p4 - p the momentum that the nucleon gets, q = k1 - k3 the one that the lepton gives, u the velocity of the
nucleus and q = q~ + E_b u, its current is conserved with q~, not with q. What that means depends on the mediator:

Z' and Z    The nucleon tensor is taken with q~; terms q^mu q^nu/m_Z'^2 of the propagator are dropped.
photon      The lepton's current is conserved with q. That of the nucleon is made so by its part along q, j_L =
            (omega/|q|) j_0 with its own charge j_0: the prescription of T. de Forest, Nucl. Phys. A 392 (1983) 232, for
            electrons, the same as exchange in Coulomb gauge in the rest frame of the nucleus. Without it the amplitude
            keeps E_b omega/|q|^2 of the charge at Q^2 = 0, where the photon's propagator multiplies it: the conserving
            helicity of a light N is then 30 times too large.
scalar      There is no current.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import DIPOLE_VECTOR_MASS
from darkhorn.kernels.form_factors import dipole, nucleon_vector
from darkhorn.kernels.matrix_elements import upscattering, upscattering_flip
from darkhorn.kernels.matrix_elements.upscattering import Products, Target, Vertices
from darkhorn.kernels.sampling import flat_in_inverse, flat_in_log


class Bound(NamedTuple):
    """Scattering on a moving nucleon in the rest frame of its nucleus; GeV, shapes broadcast.

    The helicity vector K = kappa (1, -orientation khat3) has kappa = E3 - orientation p3. `across` and `along` are
    components about the momentum transfer q, and `azimuth_cosine` is that of the angle of p about q from the plane of
    k1 and k3.
    """

    energy: jax.Array  # of the neutrino
    e3: jax.Array  # of N
    p3: jax.Array
    m: jax.Array
    q2: jax.Array  # -(k1 - k3)^2
    omega: jax.Array  # E - E3
    q: jax.Array  # |k1 - k3|
    given2: jax.Array  # -(p4 - p)^2
    removal_energy: jax.Array
    nucleon_energy: jax.Array  # E_p, on shell
    p_along: jax.Array
    p_across: jax.Array
    azimuth_cosine: jax.Array
    k1_across: jax.Array  # also that of k3
    k1_along: jax.Array
    k3_along: jax.Array
    orientation: jax.Array
    kappa: jax.Array
    k_k1: jax.Array  # K.k1
    other_k1: jax.Array  # (2 k3 - K).k1, of the K of the other helicity


class Exchange(Protocol):
    """A mediator with its couplings. Energies in GeV."""

    @property
    def orientation(self) -> float:
        """+1: N of helicity h enters by K = k3 - h m S; -1 (chirality flips): by that of the other helicity."""
        ...

    def dsigma_dq2(
        self, energy: jax.Array, q2: jax.Array, m: jax.Array, helicity: jax.Array, target: Target
    ) -> jax.Array:
        """dsigma/dQ^2 on a target at rest, 1e-38 cm^2/GeV^2; zero outside the physical range, never NaN."""
        ...

    def amplitude_squared(self, x: Bound, target: Target) -> jax.Array:
        """|M|^2 on a nucleon of a nucleus, summed over its spins, for one helicity of N."""
        ...

    def draw_q2(
        self, u: jax.Array, low: jax.Array, high: jax.Array, scale: jax.Array, floor: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """(Q^2, dQ^2/du) along the fall of the cross section. `scale` is where the form factor falls off; below `floor`
        (0 for none) Pauli blocking or a missing charge keeps it flat. Both only steer. GeV^2.
        """
        ...


class VectorExchange(NamedTuple):
    """Z' and Z: mass of Z' (GeV), chirality (+1 neutrino, -1 antineutrino), couplings."""

    m_zprime: jax.Array
    chirality: jax.Array
    vertices: Vertices

    @property
    def orientation(self) -> float:
        """K = k3 - h m S."""
        return 1.0

    def dsigma_dq2(
        self, energy: jax.Array, q2: jax.Array, m: jax.Array, helicity: jax.Array, target: Target
    ) -> jax.Array:
        """`upscattering.dsigma_dq2`."""
        return upscattering.dsigma_dq2(energy, q2, m, self.m_zprime, helicity, self.chirality, target, self.vertices)

    def amplitude_squared(self, x: Bound, target: Target) -> jax.Array:
        """`upscattering.amplitude_squared` with q~; form factors and propagators at Q^2."""
        overlap = x.k1_across * x.p_across * x.azimuth_cosine
        k1_k2 = x.energy * x.nucleon_energy - x.k1_along * x.p_along - overlap
        k_k2 = x.kappa * (x.nucleon_energy + x.orientation * (x.k3_along * x.p_along + overlap) / x.p3)
        k1_q = -0.5 * (x.m * x.m + x.q2) - x.energy * x.removal_energy
        k_q = x.k_k1 - x.m * x.m - x.kappa * x.removal_energy
        products = Products(x.k_k1, k_k2, k_k2 + k_q, k1_k2, k1_k2 + k1_q, k_q, k1_q, x.given2)
        form = upscattering.nucleon_form_factors(x.q2, self.m_zprime, target, self.vertices)
        return upscattering.amplitude_squared(products, target.mass, form, self.chirality)

    def draw_q2(
        self, u: jax.Array, low: jax.Array, high: jax.Array, scale: jax.Array, floor: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Flat in 1/(Q^2 + pole), see `_pole`."""
        return flat_in_inverse(u, low, high, _pole(self.m_zprime, scale, floor))


class MomentExchange(NamedTuple):
    """Photon: `strength` = mu e Z for a nucleus, mu e for a nucleon (its form factors hold its charge), GeV^-1."""

    strength: jax.Array

    @property
    def orientation(self) -> float:
        """K' = k3 + h m S."""
        return -1.0

    def dsigma_dq2(
        self, energy: jax.Array, q2: jax.Array, m: jax.Array, helicity: jax.Array, target: Target
    ) -> jax.Array:
        """`upscattering_flip.dsigma_dq2_dipole`."""
        return upscattering_flip.dsigma_dq2_dipole(energy, q2, m, helicity, target, self.strength)

    def amplitude_squared(self, x: Bound, target: Target) -> jax.Array:
        """|M|^2 of a nucleon whose charge makes its current along q.

        (strength^2/Q^4) {2 (F1^2 + tau~ F2^2) [A^2 L_00 + 4 A L_0p + 4 L_pp] + 2 G_M^2 [Q~^2 L_TT - (Q^4/q^2) L_00]},
        A = (Q^2/|q|^2)(2 E_p + omega - E_b). L is the lepton's tensor, conserved with q: L_00 of its charge, L_TT the
        sum over the two directions across q, L_0p and L_pp with the momentum p of the nucleon across q. With o =
        `orientation`, t = |k1| across q and K.k1, K2.k1 of the two helicities:

        L_00 = (E - o p3)^2 K.k1,  L_TT = 2 [m^2 K2.k1 - o kappa Q^2 t^2/p3],
        L_pp = p^2 [m^2 K2.k1 - 2 o kappa Q^2 t^2 cos^2 phi/p3],
        L_0p = t p cos phi [(o kappa/p3)(Q^2 E - omega (m^2 + Q^2)/2) - Q^2 kappa - omega (K.k1 - m^2)].

        Source: traces made for this project, repeated with explicit matrices in the tests; L_00 = |ubar_N sigma^{0i}
        q_i P_L u_nu|^2 with two-component spinors of definite helicity.
        """
        m2, q_squared = x.m * x.m, x.q2 + x.omega * x.omega
        turned = x.orientation * x.kappa / x.p3
        p_cos = x.p_across * x.azimuth_cosine
        backward = x.omega + m2 / (x.e3 + x.p3)  # E - p3, its digits kept
        charge = x.k_k1 * jnp.where(x.orientation < 0, x.energy + x.p3, backward) ** 2
        flat = m2 * x.other_k1
        in_plane = turned * x.q2 * x.k1_across * x.k1_across
        mixed = (
            x.k1_across
            * p_cos
            * (turned * (x.q2 * x.energy - 0.5 * x.omega * (m2 + x.q2)) - x.q2 * x.kappa - x.omega * (x.k_k1 - m2))
        )
        along = x.q2 / q_squared * (2 * x.nucleon_energy + x.omega - x.removal_energy)
        across = x.p_across * x.p_across * flat - 2 * in_plane * p_cos * p_cos
        electric = along * along * charge + 4 * along * mixed + 4 * across
        magnetic = 2 * x.given2 * (flat - in_plane) - x.q2 * x.q2 / q_squared * charge
        f1, f2 = nucleon_vector(x.q2, target.mass, target.charge, target.magnetic_moment, target.parametrisation)
        tau, g_m = x.given2 / (4 * target.mass * target.mass), f1 + f2
        found: jax.Array = (self.strength / x.q2) ** 2 * (
            2 * (f1 * f1 + tau * f2 * f2) * electric + 2 * g_m * g_m * magnetic
        )
        return found

    def draw_q2(
        self, u: jax.Array, low: jax.Array, high: jax.Array, scale: jax.Array, floor: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Density 1/(Q^2 + floor) up to the scale, 1/Q^4 above."""
        raised, jacobian = flat_in_log(u, low + floor, high + floor, scale)
        return jnp.clip(raised - floor, low, high), jacobian


class ScalarExchange(NamedTuple):
    """Dark scalar: its mass (GeV) and the product of its couplings to nu N and to the scatterer at rest."""

    m_scalar: jax.Array
    strength: jax.Array

    @property
    def orientation(self) -> float:
        """K' = k3 + h m S."""
        return -1.0

    def dsigma_dq2(
        self, energy: jax.Array, q2: jax.Array, m: jax.Array, helicity: jax.Array, target: Target
    ) -> jax.Array:
        """`upscattering_flip.dsigma_dq2_scalar`."""
        return upscattering_flip.dsigma_dq2_scalar(energy, q2, m, self.m_scalar, helicity, target, self.strength)

    def amplitude_squared(self, x: Bound, target: Target) -> jax.Array:
        """|M|^2 = 2 (4M^2 + Q~^2) K'.k1 [strength F(Q^2)/(m_h'^2 + Q^2)]^2, F the dipole of the nucleon."""
        exchanged = self.strength * dipole(x.q2, DIPOLE_VECTOR_MASS) / (self.m_scalar * self.m_scalar + x.q2)
        found: jax.Array = 2 * (4 * target.mass * target.mass + x.given2) * x.k_k1 * exchanged * exchanged
        return found

    def draw_q2(
        self, u: jax.Array, low: jax.Array, high: jax.Array, scale: jax.Array, floor: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Flat in 1/(Q^2 + pole), see `_pole`."""
        return flat_in_inverse(u, low, high, _pole(self.m_scalar, scale, floor))


def _pole(mass: jax.Array, scale: jax.Array, floor: jax.Array) -> jax.Array:
    """Where the propagator or the form factor falls off, whichever is first, GeV^2."""
    own = mass * mass + floor
    return own * scale / (own + scale)
