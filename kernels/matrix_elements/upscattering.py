"""nu(k1) + A(k2) -> N(k3, helicity h) + A(k4) by exchange of a dark vector Z' and of the Standard Model Z.

Notation: Q^2 = -(k1-k3)^2, P = k2 + k4, q = k1 - k3, M the mass of the scatterer (at rest), m that of N, E the
neutrino energy. The helicity h is that in the centre-of-mass frame: h = -1 conserves the helicity of a neutrino, h =
+1 flips it; for an antineutrino both are mirrored and "conserving" keeps its meaning. Only the light-like vector K =
k3 - h m S enters, S the spin vector of N: K = (E3 - h p3) (1, -h khat) in the centre-of-mass frame, where E3 - p3 =
m^2/(E3 + p3) keeps the digits of the flipping part.

Scatterers are nuclei (one form factor, no magnetic current) or nucleons (Dirac, Pauli and, for the Z, axial form
factors); both are the same function with the target's numbers as data. Source of the amplitude: traces over Dirac
spinors, done for this project and compared with independent numbers in tests/kernels/test_upscattering.py; for a
massless N and F1 alone it is the text-book neutral-current result.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import HBAR_C_SQUARED, MASS_Z
from darkhorn.kernels.form_factors import fourier_bessel, neutral_current, nucleon_axial, nucleon_vector

CONSERVING, FLIPPING = -1.0, 1.0


class Vertices(NamedTuple):
    """Couplings at the two ends of each propagator, dimensionless, real.

    dark_lepton   nu_alpha -> N at the Z' (paper notation: -g_D U_alpha4)
    dark_hadron   Z' to the scatterer: e epsilon Z for a nucleus, e epsilon for a nucleon (its form factors hold the
                  charge)
    weak_lepton   nu_alpha -> N at the Z: -(g/2c_W) U_alpha4, or 0 without Z exchange
    weak_hadron   Z to the scatterer: (g/2c_W) (Z g_V^p + N g_V^n) for a nucleus, g/2c_W for a nucleon
    dark_other    of a nucleon: with the charges V_p of the proton and V_n of the neutron, isospin gives V_p F^p +
                  V_n F^n for the one and V_p F^n + V_n F^p for the other, F the electromagnetic form factors: for
                  both, dark_hadron = V_p and dark_other = V_n. 0 for a Z' that couples to electric charge
    """

    dark_lepton: jax.Array
    dark_hadron: jax.Array
    weak_lepton: jax.Array
    weak_hadron: jax.Array
    dark_other: jax.Array | float = 0.0


class Target(NamedTuple):
    """A scatterer as numbers: all traced, so that one compiled program serves every nuclide.

    mass                 GeV
    is_nucleon           1.0 for a nucleon, 0.0 for a nucleus
    radius, coefficients Fourier-Bessel series of the charge density (fm; any unit), used for nuclei
    charge               electric charge of a nucleon (1 or 0)
    magnetic_moment      of a nucleon, nuclear magnetons; `other_moment` and 1 - charge are those of the other nucleon
    parametrisation      of the nucleon form factors: DIPOLE, GALSTER or KELLY of kernels/form_factors.py; None:
                         DIPOLE, and no
                         other is compiled
    """

    mass: jax.Array
    is_nucleon: jax.Array
    radius: jax.Array
    coefficients: jax.Array
    charge: jax.Array
    magnetic_moment: jax.Array
    other_moment: jax.Array
    parametrisation: jax.Array | float | None = None


class Invariants(NamedTuple):
    """Centre-of-mass quantities of nu A -> N A, GeV and GeV^2."""

    s: jax.Array
    p1: jax.Array  # momentum of the neutrino
    e3: jax.Array  # energy of N
    p3: jax.Array  # momentum of N
    q2_min: jax.Array
    q2_max: jax.Array


def threshold(m: jax.Array, mass: jax.Array) -> jax.Array:
    """Smallest neutrino energy that makes N: E_th = m + m^2 / 2M. Shapes broadcast; GeV."""
    return m + m * m / (2 * mass)


def invariants(energy: jax.Array, m: jax.Array, mass: jax.Array) -> Invariants:
    """Centre-of-mass momenta and the Q^2 range.

    p3 = (M/sqrt s) sqrt[(E - E_th)(E + m - m^2/2M)],  Q2_max = 2 p1 (E3 + p3) - m^2,  Q2_min = m^4 M^2 / (s Q2_max):
    product forms, which keep their digits near threshold and for m << E. Shapes broadcast; GeV. Below threshold p3 =
    0 and the range is empty in the sense that the density is zero; nothing is NaN.
    """
    s = mass * (mass + 2 * energy)
    root_s = jnp.sqrt(s)
    p1 = energy * mass / root_s
    e3 = (2 * energy * mass + m * m) / (2 * root_s)
    product = (energy - threshold(m, mass)) * (energy + m - m * m / (2 * mass))
    opened = product > 0
    p3 = jnp.where(opened, jnp.sqrt(jnp.where(opened, product, 1.0)) * mass / root_s, 0.0)
    q2_max = 2 * p1 * (e3 + p3) - m * m
    positive = q2_max > 0
    q2_max = jnp.where(positive, q2_max, 1.0)
    q2_min = (m * m * mass) ** 2 / (s * q2_max)
    return Invariants(s, p1, e3, p3, q2_min, q2_max)


class Products(NamedTuple):
    """Scalar products that |M|^2 needs, GeV^2; k2 and k4 are on their mass shell, q = k4 - k2, q2 = -q^2."""

    k_k1: jax.Array
    k_k2: jax.Array
    k_k4: jax.Array
    k1_k2: jax.Array
    k1_k4: jax.Array
    k_q: jax.Array
    k1_q: jax.Array
    q2: jax.Array


class FormFactors(NamedTuple):
    """Dirac, Pauli and axial form factors times their couplings over their propagators, GeV^-2."""

    f1: jax.Array
    f2: jax.Array
    g_a: jax.Array


def effective_form_factors(q2: jax.Array, m_zprime: jax.Array, target: Target, vertices: Vertices) -> FormFactors:
    """F_i = d V F_i^em / (m_Z'^2 + Q^2) + c C F_i^nc / (m_Z^2 + Q^2), and g_A from the Z alone.

    Shapes broadcast; GeV. A nucleus has F1 alone.
    """
    dark, weak = _propagators(q2, m_zprime, vertices)
    nuclear = fourier_bessel(q2, target.radius, target.coefficients) * (dark + weak)
    own = nucleon_form_factors(q2, m_zprime, target, vertices)
    nucleon = target.is_nucleon > 0.5
    return FormFactors(*(jnp.where(nucleon, own[i], nuclear if i == 0 else 0.0) for i in range(3)))


def _propagators(q2: jax.Array, m_zprime: jax.Array, vertices: Vertices) -> tuple[jax.Array, jax.Array]:
    """Couplings at both ends over the propagators of Z' and Z, GeV^-2."""
    dark = vertices.dark_lepton * vertices.dark_hadron / (m_zprime * m_zprime + q2)
    return dark, vertices.weak_lepton * vertices.weak_hadron / (MASS_Z * MASS_Z + q2)


def nucleon_form_factors(q2: jax.Array, m_zprime: jax.Array, target: Target, vertices: Vertices) -> FormFactors:
    """`effective_form_factors` of a target that is known to be a nucleon, without the work for nuclei."""
    dark, weak = _propagators(q2, m_zprime, vertices)
    isospin = target.charge - 0.5
    kind = target.parametrisation
    f1_em, f2_em = nucleon_vector(q2, target.mass, target.charge, target.magnetic_moment, kind)
    f1_other, f2_other = nucleon_vector(q2, target.mass, 1 - target.charge, target.other_moment, kind)
    f1_nc = neutral_current(f1_em, f1_other)
    f2_nc = neutral_current(f2_em, f2_other)
    other = vertices.dark_lepton * vertices.dark_other / (m_zprime * m_zprime + q2)
    rows = (f1_em, f1_other, f1_nc), (f2_em, f2_other, f2_nc)
    f1, f2 = (dark * em + other * em_other + weak * nc for em, em_other, nc in rows)
    return FormFactors(f1, f2, weak * nucleon_axial(q2, isospin))


def amplitude_squared(x: Products, mass: jax.Array, form: FormFactors, chirality: jax.Array) -> jax.Array:
    """|M|^2 summed over the spins of the scatterer, for one helicity of N, GeV^0.

    |M|^2 = 2 (F1^2 + tau F2^2) [2 (K.P)(k1.P) - (4M^2 + Q^2) K.k1] + 2 G_M^2 [Q^2 K.k1 - 2 (K.q)(k1.q)]
            + 8 G_A^2 [(K.k4)(k1.k2) + (K.k2)(k1.k4) + M^2 K.k1] + 16 chirality G_M G_A [(K.k4)(k1.k2) - (K.k2)(k1.k4)]
    with P = k2 + k4, q = k4 - k2, Q^2 = -q^2, tau = Q^2/4M^2, G_M = F1 + F2. It holds for any k2 and k4 on the mass
    shell M: for a nucleon at rest, where k1 - k3 = q, and for one bound in a nucleus, where some energy is lost.
    Shapes broadcast.
    """
    g_m = form.f1 + form.f2
    tau = x.q2 / (4 * mass * mass)
    electric = 2 * (x.k_k2 + x.k_k4) * (x.k1_k2 + x.k1_k4) - (4 * mass * mass + x.q2) * x.k_k1
    magnetic = x.q2 * x.k_k1 - 2 * x.k_q * x.k1_q
    axial = x.k_k4 * x.k1_k2 + x.k_k2 * x.k1_k4 + mass * mass * x.k_k1
    mixed = x.k_k4 * x.k1_k2 - x.k_k2 * x.k1_k4
    return (
        2 * (form.f1 * form.f1 + tau * form.f2 * form.f2) * electric
        + 2 * g_m * g_m * magnetic
        + 8 * form.g_a * form.g_a * axial
        + 16 * chirality * g_m * form.g_a * mixed
    )


def dsigma_dq2(
    energy: jax.Array,
    q2: jax.Array,
    m: jax.Array,
    m_zprime: jax.Array,
    helicity: jax.Array,
    chirality: jax.Array,
    target: Target,
    vertices: Vertices,
) -> jax.Array:
    """dsigma/dQ^2 of nu A -> N A for one helicity of N: THE density of the process.

    dsigma/dQ^2 = (1/2) |M|^2 / (16 pi (s - M^2)^2), summed over target spins; the neutrino has one spin state.
    |M|^2 is that of `amplitude_squared`, the form factors those of `effective_form_factors`.

    Shapes: energy and q2 broadcast; the rest scalars or broadcastable. helicity -1 or +1 (see the module); chirality
    +1 for a neutrino,
    -1 for an antineutrino. A Majorana N has the same value: the right-handed half of its vertex annihilates the
    beam's neutrino. Units: GeV in; 1e-38 cm^2/GeV^2 out, per scatterer. Zero outside the physical range, never NaN.
    Left out: the induced pseudoscalar of the Z (suppressed by m^2/M^2 on top of the Z/Z' ratio).
    """
    x, inside = helicity_products(energy, q2, m, target.mass, helicity)
    form = effective_form_factors(x.q2, m_zprime, target, vertices)
    return to_density(amplitude_squared(x, target.mass, form, chirality), energy, target.mass, inside)


def helicity_products(
    energy: jax.Array, q2: jax.Array, m: jax.Array, mass: jax.Array, helicity: jax.Array
) -> tuple[Products, jax.Array]:
    """Products with K = k3 - h m S for a target at rest, and where the point lies in the physical range.

    K = kappa (1, -h khat) in the centre-of-mass frame, kappa = E3 - h p3. Outside the range the products are those of
    its upper end: finite, to be masked. Shapes broadcast; GeV.
    """
    cm = invariants(energy, m, mass)
    inside = (energy > threshold(m, mass)) & (q2 >= cm.q2_min) & (q2 <= cm.q2_max)
    q2 = jnp.where(inside, q2, cm.q2_max)
    p3 = jnp.where(inside, cm.p3, 1.0)
    sum_ep = cm.e3 + p3
    kappa = jnp.where(helicity < 0, sum_ep, m * m / sum_ep)
    one_minus_cos = (q2 - cm.q2_min) / (2 * cm.p1 * p3)
    one_plus_cos = (cm.q2_max - q2) / (2 * cm.p1 * p3)
    k_k1 = kappa * cm.p1 * jnp.where(helicity < 0, one_minus_cos, one_plus_cos)
    e2 = (cm.s + mass * mass) / (2 * jnp.sqrt(cm.s))
    cosine = 0.5 * (one_plus_cos - one_minus_cos)
    k_k2 = kappa * (e2 - helicity * cm.p1 * cosine)
    k_k4 = k_k1 + k_k2 - m * m
    k1_k2 = energy * mass
    k1_q = -0.5 * (m * m + q2)
    return Products(k_k1, k_k2, k_k4, k1_k2, k1_k2 + k1_q, k_q=k_k1 - m * m, k1_q=k1_q, q2=q2), inside


def to_density(amplitude2: jax.Array, energy: jax.Array, mass: jax.Array, inside: jax.Array) -> jax.Array:
    """dsigma/dQ^2 in 1e-38 cm^2/GeV^2 from |M|^2 summed over target spins; 0 outside the range. Shapes broadcast."""
    density = 0.5 * amplitude2 / (64 * jnp.pi * (energy * mass) ** 2) * HBAR_C_SQUARED
    return jnp.where(inside, jnp.maximum(density, 0.0), 0.0)
