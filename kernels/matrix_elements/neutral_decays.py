"""Decays of a heavy neutral lepton to a lighter one and a dark vector, and of the vector to leptons: densities,
samplers, widths.

Notation: N of mass m -> nu_j of mass m_j and Z' of mass m_Z; r = m_j/m, x = m_Z^2/m^2, lambda = Kallen(1, r^2, x).
h = +-1 is the sign of the polarisation of N along the spin axis, 0 stands for the isotropic Majorana case.
Sources: closed forms derived for this project from Dirac traces (docs/physics/dark_neutrino.md); they agree with the
widths of P. Ballett, M. Hostert, S. Pascoli, JHEP 04 (2020) 068 in the massless limit.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import FERMI_CONSTANT, SIN2_THETA_W
from darkhorn.kernels.kinematics import FourVector, Vector, four, is_open, transverse_axes, two_body_momentum
from darkhorn.kernels.quadrature import gauss_legendre
from darkhorn.kernels.sampling import linear_cosine, split, squared_cosine
from darkhorn.kernels.trigonometry import sincos2pi

# (m, m_j, mass of the boson, coupling, majorana) -> Gamma(N -> nu_j boson)
ToBoson = Callable[[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


def width_to_vector(
    m: jax.Array, m_j: jax.Array, m_vector: jax.Array, coupling: jax.Array, majorana: jax.Array
) -> jax.Array:
    """Gamma(N -> nu_j V) for the vertex d nubar_j gamma^mu P_L N V_mu.

    Dirac:    d^2 m^3/(32 pi m_V^2) sqrt(lambda) [(1 - r^2)^2 + x (1 + r^2) - 2 x^2]
    Majorana: twice that, with 6 x r added inside the bracket.
    Shapes broadcast; GeV; majorana is 0 or 1. Zero where closed.
    """
    bracket = _vector_bracket(m, m_j, m_vector) + majorana * 6 * (m_vector * m_vector) * m_j / (m * m * m)
    root_lambda = 2 * two_body_momentum(m, m_j, m_vector) / m
    width = coupling**2 * m**3 / (32 * jnp.pi * m_vector**2) * root_lambda * bracket * (1 + majorana)
    return jnp.where(is_open(m, m_j, m_vector), width, 0.0)


def _vector_bracket(m: jax.Array, m_j: jax.Array, m_vector: jax.Array) -> jax.Array:
    # (1 - r^2)^2 + x (1 + r^2) - 2 x^2 = lambda + 3 x (1 + r^2 - x): no digit is lost where both go to zero
    root_lambda = 2 * two_body_momentum(m, m_j, m_vector) / m
    r, x = m_j / m, (m_vector / m) ** 2
    return root_lambda * root_lambda + 3 * x * ((m - m_vector) * (m + m_vector) / (m * m) + r * r)


def width_vector_to_leptons(m_vector: jax.Array, m_lepton: jax.Array, coupling: jax.Array) -> jax.Array:
    """Gamma(V -> l+ l-) for the vector coupling g: g^2 m_V/(12 pi) sqrt(1 - 4y)(1 + 2y), y = m_l^2/m_V^2.

    Shapes broadcast; GeV. Zero where closed.
    """
    y = (m_lepton / m_vector) ** 2
    opened = y < 0.25
    y = jnp.where(opened, y, 0.0)
    return jnp.where(opened, coupling**2 * m_vector / (12 * jnp.pi) * jnp.sqrt(1 - 4 * y) * (1 + 2 * y), 0.0)


def width_vector_to_neutrinos(m_vector: jax.Array, coupling: jax.Array) -> jax.Array:
    """Gamma(V -> nu nubar) for the left-handed coupling d: d^2 m_V/(24 pi), massless neutrinos. Shapes broadcast;
    GeV.
    """
    return coupling**2 * m_vector / (24 * jnp.pi)


def width_vector_to_pair(
    m_vector: jax.Array, m_1: jax.Array, m_2: jax.Array, left: jax.Array, right: jax.Array, states: jax.Array
) -> jax.Array:
    """Gamma(V -> f1 f2bar) for the vertex f1bar gamma^mu (left P_L + right P_R) f2 V_mu, times `states`.

    m_V/(24 pi) sqrt(lambda) {(left^2 + right^2) [1 - (x1 + x2)/2 - (x1 - x2)^2/2] + 6 left right sqrt(x1 x2)}, x_i =
    m_i^2/m_V^2, lambda = Kallen(1, x1, x2). `states` counts: 2 for f1 f2bar and f2 f1bar of two Dirac fermions, 1 for
    a Dirac pair or for two different Majorana fermions, 1/2 for a pair of equal Majorana fermions, whose vertex has
    right = -left. Leptons: left = right = g. Shapes broadcast; GeV; zero where closed. Accuracy: rounding times
    m_V/(m_V - m_1 - m_2). Source: traces made for this project.
    """
    opened = is_open(m_vector, m_1, m_2)
    x_1, x_2 = (m_1 / m_vector) ** 2, (m_2 / m_vector) ** 2
    root_lambda = 2 * two_body_momentum(m_vector, m_1, m_2) / m_vector
    bracket = (left * left + right * right) * (1 - 0.5 * (x_1 + x_2) - 0.5 * (x_1 - x_2) ** 2)
    bracket = bracket + 6 * left * right * (m_1 / m_vector) * (m_2 / m_vector)
    return jnp.where(opened, states * m_vector / (24 * jnp.pi) * root_lambda * bracket, 0.0)


def width_three_neutrinos(m: jax.Array, mixing_squared: jax.Array, majorana: jax.Array) -> jax.Array:
    """Gamma(N -> 3 nu) through the Z, summed over flavours: G_F^2 m^5/(192 pi^3) sum|U|^2, twice that for Majorana.

    Shapes broadcast; GeV. Source: D. Gorbunov, M. Shaposhnikov, JHEP 10 (2007) 015, appendix C.
    """
    return FERMI_CONSTANT**2 * m**5 / (192 * jnp.pi**3) * mixing_squared * (1 + majorana)


def width_weak_dilepton(
    m: jax.Array, m_lepton: jax.Array, same_flavour: jax.Array, other_flavours: jax.Array, majorana: jax.Array
) -> jax.Array:
    """Gamma(N -> nu l+ l-) through W and Z; `same_flavour` = |U_l|^2, `other_flavours` = sum of the other |U|^2.

    G_F^2 m^5/(192 pi^3) { C1 [(1 - 14x^2 - 2x^4 - 12x^6) R + 12x^4(x^4 - 1) L] + 4 C2 [x^2(2 + 10x^2 - 12x^4) R +
    6x^4(1 - 2x^2 + 2x^4) L] }, x = m_l/m, R = sqrt(1 - 4x^2), L = ln{[1 - 3x^2 - (1 - x^2) R]/[x^2 (1 + R)]}; C1, C2
    = (1 -+ 4s^2 + 8s^4)/4, s^2(2s^2 -+ 1)/2 with the lower signs for the flavour of l; s = sin theta_W. Twice that
    for Majorana. Shapes broadcast; GeV; zero where closed. Accuracy: 1e-8 for x > 1e-3 (L cancels below, where its
    prefactor is negligible). Source: as `width_three_neutrinos`.
    """
    x2 = (m_lepton / m) ** 2
    opened = x2 < 0.25
    x2 = jnp.where(opened, x2, 0.1)
    root = jnp.sqrt(1 - 4 * x2)
    # 1 - 3x^2 - (1 - x^2) R = 4 x^6 / [1 - 3x^2 + (1 - x^2) R], since (1-3y)^2 - (1-y)^2 (1-4y) = 4 y^3
    log = jnp.log(4 * x2 * x2 / ((1 - 3 * x2 + (1 - x2) * root) * (1 + root)))
    first = (1 - 14 * x2 - 2 * x2**2 - 12 * x2**3) * root + 12 * x2**2 * (x2**2 - 1) * log
    second = x2 * (2 + 10 * x2 - 12 * x2**2) * root + 6 * x2**2 * (1 - 2 * x2 + 2 * x2**2) * log
    s2 = SIN2_THETA_W

    def of(sign: float) -> jax.Array:
        c1, c2 = 0.25 * (1 + sign * 4 * s2 + 8 * s2 * s2), 0.5 * s2 * (2 * s2 + sign)
        return c1 * first + 4 * c2 * second

    total = same_flavour * of(+1.0) + other_flavours * of(-1.0)
    return jnp.where(opened, FERMI_CONSTANT**2 * m**5 / (192 * jnp.pi**3) * total * (1 + majorana), 0.0)


def width_off_shell(
    m: jax.Array,
    m_j: jax.Array,
    m_vector: jax.Array,
    width_vector: jax.Array,
    m_lepton: jax.Array,
    coupling: jax.Array,
    lepton_coupling: jax.Array,
    majorana: jax.Array,
) -> jax.Array:
    """Gamma(N -> nu_j l+ l-) through a vector of any mass, on or off shell: `width_through_vector` with its leptons.

    Shapes broadcast; GeV. Accuracy 1e-6 for Gamma_V/m_V > 1e-13, on, across and off the pole (2e-5 where m_V = m -
    m_j to the last digit and Gamma_V/m_V < 1e-10: the result then hangs on the rounding of the masses).
    """
    m_lepton, lepton_coupling, m = jnp.broadcast_arrays(m_lepton, lepton_coupling, m)

    def leptons(q: jax.Array) -> jax.Array:
        return width_vector_to_leptons(q, m_lepton[..., None, None], lepton_coupling[..., None, None])

    return width_through_vector(m, m_j, m_vector, width_vector, 2 * m_lepton, coupling, majorana, leptons)


def width_through_vector(
    m: jax.Array,
    m_j: jax.Array,
    m_vector: jax.Array,
    width_vector: jax.Array,
    lightest: jax.Array,
    coupling: jax.Array,
    majorana: jax.Array,
    partial_width: Callable[[jax.Array], jax.Array],
    cuts: jax.Array | None = None,
    width_to_boson: ToBoson = width_to_vector,
) -> jax.Array:
    """Gamma(N -> nu_j X) through a vector of any mass with its width in the propagator; X has at least the mass
    `lightest`.

    (1/pi) int dq^2 Gamma_{N->jV}(q) q Gamma_{V->X}(q) / [(q^2 - m_V^2)^2 + m_V^2 Gamma_V^2], q from `lightest` to m -
    m_j. The range is cut at m_V^2 +- m_V Gamma_V 10^k, so that every piece spans a decade of the propagator; a cubic
    map of each piece takes the square roots at the thresholds. `partial_width(q)` is Gamma_{V->X} at the mass q,
    which comes with two more axes. `cuts` (c,) are masses (GeV) where it has thresholds or peaks of its own: the
    range is cut there, too. `width_to_boson` is Gamma_{N->jV}: with that of a scalar
    the formula holds for a scalar.

    Shapes broadcast; GeV. Zero where closed. No interference between identical particles in nu_j and X.
    Accuracy: 1e-6 for an X that is smooth between the cuts; see `width_off_shell`.
    """
    arrays = jnp.broadcast_arrays(m, m_j, m_vector, width_vector, lightest, coupling, majorana)
    m, m_j, m_vector, width_vector, lightest, coupling, majorana = arrays
    opened = m - m_j > lightest
    high = (m - m_j) ** 2
    low = jnp.where(opened, lightest**2, 0.5 * high)
    pole, scale = m_vector**2, m_vector * width_vector
    steps = [scale * 10.0**k for k in range(_DECADES)]
    # nodes are offsets from the pole: q^2 - m_V^2 keeps its digits next to it
    left = jnp.stack([low - pole, *(jnp.clip(c, low - pole, high - pole) for c in _offsets(steps))], axis=-1)
    if cuts is not None:
        cuts = cuts.reshape((1,) * pole.ndim + (-1,))
        own = jnp.clip(cuts * cuts - pole[..., None], (low - pole)[..., None], (high - pole)[..., None])
        left = jnp.sort(jnp.concatenate([left, own], axis=-1), axis=-1)
    right = jnp.concatenate([left[..., 1:], (high - pole)[..., None]], axis=-1)

    def wide(array: jax.Array) -> jax.Array:
        return array[..., None, None]

    def integrand(s: jax.Array) -> jax.Array:
        smooth, slope = s * s * (3 - 2 * s), 6 * s * (1 - s)
        span = (right - left)[..., None]
        offset = left[..., None] + span * smooth
        q = jnp.sqrt(jnp.clip(wide(pole) + offset, wide(low), wide(high)))
        first = width_to_boson(wide(m), wide(m_j), q, wide(coupling), wide(majorana))
        return first * q * partial_width(q) / (offset * offset + wide(scale) ** 2) * span * slope

    zero = jnp.zeros(left.shape, left.dtype)
    total = jnp.sum(gauss_legendre(integrand, zero, zero + 1, 40), axis=-1) / jnp.pi
    return jnp.where(opened, total, 0.0)


_DECADES = 16  # m_V Gamma_V 10^15 exceeds every q^2 for Gamma_V/m_V > 1e-13


def _offsets(steps: list[jax.Array]) -> list[jax.Array]:
    """Cuts relative to the pole: -10^k ... -1, 0, 1 ... 10^k in units of m_V Gamma_V."""
    return [-step for step in reversed(steps)] + [jnp.zeros_like(steps[0]), *steps]


class ChainAngles(NamedTuple):
    """Uniform numbers of N -> nu Z', Z' -> l+ l-: each (n,)."""

    polar: jax.Array
    azimuth: jax.Array
    lepton: jax.Array
    lepton_azimuth: jax.Array


class ChainDecay(NamedTuple):
    """Products in the rest frame of N (GeV), and the two angles that fix the density."""

    neutrino: FourVector
    negative: FourVector
    positive: FourVector
    cos_neutrino: jax.Array


def neutrino_slope(
    m: jax.Array, m_j: jax.Array, m_vector: jax.Array, helicity: jax.Array, *, mirror: float = 1.0
) -> jax.Array:
    """Slope a of the density (1 + a cos theta)/2 of the daughter neutrino about the spin axis.

    a = h sqrt(lambda) (r^2 + 2x - 1) / [(1 - r^2)^2 + x (1 + r^2) - 2 x^2]: h = -1 sends the neutrino forward; mirror =
    -1 (see `chain_density_terms`): h sqrt(lambda) (1 - r^2 - x/2) / `moment_bracket`. 0 for Majorana (h = 0). Shapes
    broadcast; GeV.
    """
    r2, x = (m_j / m) ** 2, (m_vector / m) ** 2
    root_lambda = 2 * two_body_momentum(m, m_j, m_vector) / m
    if mirror < 0:
        return helicity * root_lambda * (1 - r2 - 0.5 * x) / moment_bracket(m, m_j, m_vector)
    return helicity * root_lambda * (r2 + 2 * x - 1) / _vector_bracket(m, m_j, m_vector)


def moment_bracket(m: jax.Array, m_j: jax.Array, m_vector: jax.Array) -> jax.Array:
    """(1 - r^2)^2 - x (1 + r^2)/2 - x^2/2 of the width by a magnetic moment. Shapes broadcast; GeV."""
    r, x = m_j / m, (m_vector / m) ** 2
    return ((1 - r) * (1 + r)) ** 2 - 0.5 * x * (1 + r * r + x)


def chain_density_terms(
    m: jax.Array,
    m_j: jax.Array,
    m_vector: jax.Array,
    m_lepton: jax.Array,
    helicity: jax.Array,
    majorana: jax.Array,
    cos_neutrino: jax.Array,
    *,
    mirror: float = 1.0,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """(A, B, cos alpha, sin alpha) of the lepton density A - B (khat.e)(phat.e) in the rest frame of the vector.

    e is the direction of l-, phat the neutrino's (z'), khat that of K = P - h m S, at the angle alpha from z' in the
    plane of the spin axis. A = (1 + 2d) K0 p0 - 2d K.p [+ m m_j (1 + 2d) for Majorana], B = b^2 |K| |p|, d =
    m_l^2/m_V^2, b^2 = 1 - 4d; K0 = m (E - h k c)/m_V, Kz = m (k - h E c)/m_V, Kx = -h m s, with E, k the vector's
    energy and momentum in the frame of N, c = cos_neutrino. For a Majorana N the terms of both helicities add: h -> 0
    in K. Shapes broadcast; GeV^2 (a common factor is dropped).

    mirror = -1: N decays by a transition magnetic moment to a photon of mass m_V. Between the conserved currents p_j is
    then replaced by kappa = 2 (q.p_j) q - q^2 p_j, in the photon's rest frame q^2 times p_j seen in a mirror, and K by
    that of the other helicity: phat is turned round, h changes its sign. (Trace made for this project.)
    """
    h = helicity * (1 - majorana) * mirror
    k = two_body_momentum(m, m_j, m_vector)
    energy = jnp.sqrt(k * k + m_vector * m_vector)
    sine = jnp.sqrt(jnp.maximum((1 - cos_neutrino) * (1 + cos_neutrino), 0.0))
    k0 = m * (energy - h * k * cos_neutrino) / m_vector
    kz = mirror * m * (k - h * energy * cos_neutrino) / m_vector
    kx = -h * m * sine
    p0 = (m * m - m_j * m_j - m_vector * m_vector) / (2 * m_vector)
    p = m * k / m_vector
    d = (m_lepton / m_vector) ** 2
    a = (1 + 2 * d) * k0 * p0 - 2 * d * kz * p + majorana * m * m_j * (1 + 2 * d)
    k_norm = jnp.sqrt(kx * kx + kz * kz)
    b = (1 - 4 * d) * k_norm * p
    safe = jnp.where(k_norm > 0, k_norm, 1.0)
    return a, b, jnp.where(k_norm > 0, kz / safe, 1.0), jnp.where(k_norm > 0, kx / safe, 0.0)


def chain_density(
    m: jax.Array,
    m_j: jax.Array,
    m_vector: jax.Array,
    m_lepton: jax.Array,
    helicity: jax.Array,
    majorana: jax.Array,
    polarised: jax.Array,
    cos_neutrino: jax.Array,
    lepton: Vector,
    *,
    mirror: float = 1.0,
) -> jax.Array:
    """Density d^4N/(dcos dphi dOmega_l) of what `sample_chain` draws; its integral is 1.

    (1 + a cos)/(4 pi) D/[(4 pi/3)(3A - B cos alpha)], with D = A - B (khat.e)(phat.e) of `chain_density_terms` and a of
    `neutrino_slope`. phi is the azimuth of nu_j about the spin axis; e = `lepton`, the direction of l- in the frame of
    the pair (z' along nu_j, x' along the part of the spin axis across it). Shapes broadcast; GeV. The chain must be
    open.
    """
    masses = m, m_j, m_vector
    a, b, cos_alpha, sin_alpha = chain_density_terms(*masses, m_lepton, helicity, majorana, cos_neutrino, mirror=mirror)
    b = b * polarised
    z = mirror * lepton.z
    shape = (a - b * (cos_alpha * z + sin_alpha * lepton.x) * z) / (3 * a - b * cos_alpha)
    polar = 1 + neutrino_slope(*masses, helicity * (1 - majorana), mirror=mirror) * cos_neutrino
    return polar * shape * (3 / (16 * jnp.pi * jnp.pi))


def sample_chain(
    u: ChainAngles,
    m: jax.Array,
    m_j: jax.Array,
    m_vector: jax.Array,
    m_lepton: jax.Array,
    helicity: jax.Array,
    majorana: jax.Array,
    polarised: jax.Array,
    spin_axis: Vector,
    *,
    mirror: float = 1.0,
) -> ChainDecay:
    """N -> nu_j Z', Z' -> l- l+ with the spin of N and the polarisation of the Z' kept; weight 1, nothing is rejected.

    The neutrino's cosine to the spin axis has a linear density. At fixed cosine the lepton density is a sum of three
    squares, A - B (khat.e)(phat.e) = sum_i lambda_i (e.a_i)^2, a_i = (bisector of khat and phat, in-plane normal to
    it, out of plane), lambda = (A - B (1 + cos alpha)/2, A + B (1 - cos alpha)/2, A), all >= 0 and summing to 3A - B
    cos alpha: choose i, then e.a_i has density proportional to its square. `polarised` = 0 drops the polarisation of
    the Z' (isotropic leptons), for comparison only. mirror: as in `chain_density_terms`.

    Shapes: u and spin_axis (n,), the rest broadcast. Units GeV. The chain must be open. Differentiable in the masses.
    """
    cosine = linear_cosine(u.polar, neutrino_slope(m, m_j, m_vector, helicity * (1 - majorana), mirror=mirror))
    sin_phi, cos_phi = sincos2pi(u.azimuth)
    sine = jnp.sqrt(jnp.maximum((1 - cosine) * (1 + cosine), 0.0))
    ax, ay = transverse_axes(spin_axis)
    transverse = ax.scale(cos_phi).plus(ay.scale(sin_phi))
    z_axis = spin_axis.scale(cosine).plus(transverse.scale(sine))  # the neutrino's direction
    x_axis = spin_axis.scale(sine).minus(transverse.scale(cosine))  # transverse part of the spin axis
    y_axis = ax.scale(sin_phi).minus(ay.scale(cos_phi))

    masses = m, m_j, m_vector
    a, b, cos_alpha, sin_alpha = chain_density_terms(*masses, m_lepton, helicity, majorana, cosine, mirror=mirror)
    b = b * polarised
    first = a - 0.5 * b * (1 + cos_alpha)
    second = a + 0.5 * b * (1 - cos_alpha)
    total = first + second + a
    on_first, rest = split(u.lepton, first / total)
    on_second, rest_of_rest = split(rest, second / (second + a))
    rest = jnp.where(on_first, rest, rest_of_rest)
    mu = squared_cosine(rest)
    around_s, around_c = sincos2pi(u.lepton_azimuth)
    flat = jnp.sqrt(jnp.maximum((1 - mu) * (1 + mu), 0.0))
    u_part, v_part = flat * around_c, flat * around_s
    # components along (bisector, in-plane normal, out of plane), whichever is the chosen axis
    in_second = ~on_first & on_second
    e_bisector = jnp.where(on_first, mu, jnp.where(in_second, v_part, u_part))
    e_normal = jnp.where(on_first, u_part, jnp.where(in_second, mu, v_part))
    e_out = jnp.where(on_first, v_part, jnp.where(in_second, u_part, mu))
    half_c = jnp.sqrt(jnp.maximum(0.5 * (1 + cos_alpha), 1e-300))
    half_s = jnp.where(sin_alpha < 0, -1.0, 1.0) * jnp.sqrt(jnp.maximum(0.5 * (1 - cos_alpha), 1e-300))
    e_x = half_s * e_bisector + half_c * e_normal
    e_z = mirror * (half_c * e_bisector - half_s * e_normal)

    k = two_body_momentum(m, m_j, m_vector)
    energy = jnp.sqrt(k * k + m_vector * m_vector)
    lepton_momentum = two_body_momentum(m_vector, m_lepton, m_lepton)

    def lepton(sign: float) -> FourVector:
        along_z = sign * lepton_momentum * e_z  # in the vector's frame; the vector flies towards -z'
        gamma, gamma_beta = energy / m_vector, k / m_vector
        pz = gamma * along_z - gamma_beta * (0.5 * m_vector)
        e = gamma * (0.5 * m_vector) - gamma_beta * along_z
        across = sign * lepton_momentum
        p = x_axis.scale(across * e_x).plus(y_axis.scale(across * e_out)).plus(z_axis.scale(pz))
        return four(e, p)

    neutrino = four(jnp.broadcast_to(jnp.sqrt(k * k + m_j * m_j), cosine.shape), z_axis.scale(k))
    return ChainDecay(neutrino, lepton(1.0), lepton(-1.0), cosine)
