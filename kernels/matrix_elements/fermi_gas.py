"""nu(k1) + A -> N(k3, helicity h) + nucleon(k4) + X: scattering on a nucleon bound in a relativistic Fermi gas.

The nucleon has a momentum p uniform in the sphere |p| < p_F and leaves the removal energy E_b behind: k1 + (E_p - E_b,
p) = k3 + k4 with E_p = sqrt(M^2 + p^2) and k4 on its mass shell; states |p4| < p_F are occupied and blocked. |M|^2 is
that of the mediator (`exchange`) with k2 = (E_p, p) on shell and q~ = k4 - k2 (the energy given to the nucleon is omega
- E_b), form factors and propagators at the true Q^2 = -(k1 - k3)^2. The flux is that of a nucleus at rest: 1/(4 E E_p).
The helicity of N is that in the rest frame of the nucleus, and K = (E3 - h p3)(1, -h khat3) there.

Source of the model: R. A. Smith, E. J. Moniz, Nucl. Phys. B 43 (1972) 605, with off-shell kinematics after T. de
Forest, Nucl. Phys. A 392 (1983) 232.

Variables: Q^2, the energy transfer omega = E - E3, E_p, and the azimuth phi of p about q = k1 - k3, from the plane of
k1 and k3. In them the sphere and the blocking are an interval of E_p, max(E_-, E_F - (omega - E_b)) < E_p < E_F with
E_- the least energy that absorbs (omega - E_b, q), so that nothing has to be rejected:

d^4 sigma / dQ^2 domega dE_p dphi = (hbar c)^2/(16 pi E^2) 3/(4 pi p_F^3) 1/(4 |q|) |M|^2/2.

The gas holds the whole of the scattering that excites the nucleus: it is added to Z^2 F^2 without a factor 1 - F^2.
For scattering on nucleons at rest there is instead `response_of_free_nucleons`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import HBAR_C_SQUARED
from darkhorn.kernels.form_factors import fourier_bessel
from darkhorn.kernels.kinematics import FourVector, Vector, four, transverse_axes
from darkhorn.kernels.matrix_elements.exchange import Bound, Exchange
from darkhorn.kernels.matrix_elements.upscattering import Target
from darkhorn.kernels.trigonometry import sincos2pi

# (uniform number, low, high) -> (Q^2, dQ^2/du), GeV^2
DrawQ2 = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class FermiGas(NamedTuple):
    """Fermi momentum p_F > 0 of the struck species and removal energy E_b >= 0, GeV."""

    momentum: jax.Array
    removal_energy: jax.Array


class Kinematics(NamedTuple):
    """What fixes |M|^2, each (n,): neutrino energy E, Q^2, omega = E - E3, E_p (on shell), phi (radian). GeV."""

    energy: jax.Array
    q2: jax.Array
    omega: jax.Array
    nucleon_energy: jax.Array
    azimuth: jax.Array


class Uniforms(NamedTuple):
    """Uniform numbers of `sample`, each (n,)."""

    q2: jax.Array
    omega: jax.Array
    nucleon: jax.Array
    azimuth: jax.Array


class Momenta(NamedTuple):
    """Four-vectors in the laboratory, GeV, that obey neutrino + struck = N + recoil and struck + remnant = nucleus.

    `struck` has the energy E_p - E_b and is off its mass shell.
    """

    struck: FourVector
    recoil: FourVector
    remnant: FourVector


def _root(x: jax.Array) -> jax.Array:
    """sqrt(x), and 0 with zero slope where x <= 0."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def threshold(m: jax.Array, mass: jax.Array, gas: FermiGas) -> jax.Array:
    """The least neutrino energy that makes N, GeV. Shapes broadcast.

    A nucleon that is only just lifted out of the sphere can absorb omega = E_b up to |q| = 2 p_F, that is up to Q_0^2 =
    4 p_F^2 - E_b^2. N at rest with omega = E_b has Q^2 = m^2 + 2 m E_b; where this is below Q_0^2, E_th = m + E_b. Else
    a nucleon at p_F against the neutrino needs the least energy, s~ = (m + M)^2; its Q^2 at threshold must be above
    Q_0^2, and in between E_th is that of |q| = 2 p_F: (Q_0^2 + m^2)/2(2 p_F - E_b).
    """
    p_f, e_b = gas.momentum, gas.removal_energy
    available = jnp.sqrt(mass * mass + p_f * p_f) - e_b
    s = (m + mass) ** 2
    gained = s - available**2 + p_f * p_f
    head_on = gained / (2 * (available + p_f))
    edge = (2 * p_f - e_b) * (2 * p_f + e_b)
    corner = (edge + m * m) / (2 * jnp.where(edge > 0, 2 * p_f - e_b, 1.0))
    struck = jnp.where(gained * m / (m + mass) - m * m >= edge, head_on, corner)
    return jnp.where(m * m + 2 * m * e_b <= edge, m + e_b, struck)


def heaviest(energy: jax.Array, mass: jax.Array, gas: FermiGas) -> jax.Array:
    """A mass of N above which a neutrino of this energy makes none, GeV: min{E - E_b, sqrt(s~) - M} with the nucleon at
    p_F against the neutrino. Where |q| = 2 p_F decides (see `threshold`) the true one is somewhat lower. Shapes
    broadcast.
    """
    available = jnp.sqrt(mass * mass + gas.momentum**2) - gas.removal_energy
    s = available**2 - gas.momentum**2 + 2 * energy * (available + gas.momentum)
    return jnp.minimum(energy - gas.removal_energy, jnp.sqrt(s) - mass)


def q2_range(energy: jax.Array, m: jax.Array, mass: jax.Array, gas: FermiGas) -> tuple[jax.Array, jax.Array]:
    """Bounds (low, high) of Q^2, GeV^2: inside and only there are unblocked events; equal where the channel is closed.

    Both omega > E_b and the least omega that a nucleon at p_F against the neutrino absorbs must be within reach of N.
    The first gives m^2 (2 E_b + m^2/S)/S < Q^2 < 2 E S - m^2, S = a + sqrt(a^2 - m^2), a = E - E_b; the second 2 k*
    (E3* -+ p3*) - m^2 in the centre-of-mass frame of that nucleon and the neutrino. Free of cancellation but for the
    lower of the latter, which counts near threshold alone. Shapes broadcast.
    """
    a = energy - gas.removal_energy
    total = jnp.maximum(a, 0.0) + _root(a * a - m * m) + jnp.where(a > 0, 0.0, 1.0)
    low = m * m * (2 * gas.removal_energy + m * m / total) / total
    available = jnp.sqrt(mass * mass + gas.momentum**2) - gas.removal_energy
    gained = 2 * energy * (available + gas.momentum)
    s = available**2 - gas.momentum**2 + gained
    twice_energy = s + m * m - mass * mass
    product = gained * (twice_energy + _root(twice_energy**2 - 4 * s * m * m)) / (2 * s)
    high = jnp.minimum(product, 2 * energy * total) - m * m
    opened = energy > threshold(m, mass, gas)
    low = jnp.maximum(low, m * m * (gained * gained / (s * jnp.where(opened, product, 1.0)) - 1))
    return low, jnp.where(opened, jnp.maximum(high, low), low)


def gas_limits(q2: jax.Array, mass: jax.Array, gas: FermiGas) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(low, blocked, high) of omega that the gas can absorb at fixed Q^2, GeV; blocking acts below `blocked`.

    The shell |p| = p_F can absorb (omega, q) where |2 A omega - C| < 2 p_F |q|, A = E_F - E_b, C = Q^2 + E_b^2 + 2 A
    E_b: omega between the roots of a quadratic equation. Unblocked: omega > E_b. `blocked` is where the two lower
    limits of E_p meet, or `low` where they do not: integrands have a kink there. Shapes broadcast.
    """
    p_f, e_b = gas.momentum, gas.removal_energy
    e_f = jnp.sqrt(mass * mass + p_f * p_f)

    def roots(a: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
        square = a * a - p_f * p_f
        spread = p_f * jnp.sqrt(c * c + 4 * q2 * square)
        return (a * c - spread) / (2 * square), (a * c + spread) / (2 * square)

    slowest, fastest = roots(e_f - e_b, q2 + e_b * e_b + 2 * (e_f - e_b) * e_b)
    _, edge = roots(e_f + e_b, e_b * e_b + 2 * e_f * e_b - q2)
    low = jnp.maximum(e_b, slowest)
    return low, jnp.maximum(edge, low), fastest


def omega_range(
    energy: jax.Array, q2: jax.Array, m: jax.Array, mass: jax.Array, gas: FermiGas
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(low, blocked, high) of omega at fixed Q^2, GeV: `gas_limits` cut by |cos theta_3| < 1.

    The lepton's limit is omega < E Q^2/y - y/4E, y = Q^2 + m^2. Shapes broadcast; low = high where nothing is allowed.
    """
    low, blocked, fastest = gas_limits(q2, mass, gas)
    y = q2 + m * m
    high = jnp.maximum(jnp.minimum(fastest, energy * q2 / y - y / (4 * energy)), low)
    return low, jnp.clip(blocked, low, high), high


def energy_range(q2: jax.Array, omega: jax.Array, mass: jax.Array, gas: FermiGas) -> tuple[jax.Array, jax.Array]:
    """(least E_p, E_F): the interval of unblocked energies of the struck nucleon, empty where the first is larger."""
    w = omega - gas.removal_energy
    q = jnp.sqrt(q2 + omega * omega)
    given2 = q2 + gas.removal_energy * (omega + w)
    absorbing = -0.5 * w + 0.5 * q * jnp.sqrt(1 + 4 * mass * mass / given2)
    e_f = jnp.sqrt(mass * mass + gas.momentum**2)
    return jnp.maximum(absorbing, e_f - w), e_f


def density(
    x: Kinematics, m: jax.Array, helicity: jax.Array, target: Target, gas: FermiGas, exchange: Exchange
) -> jax.Array:
    """d^4 sigma/dQ^2 domega dE_p dphi per nucleon for one helicity of N: THE density of the process.

    Units: GeV in; 1e-38 cm^2/GeV^4/radian out. Shapes: x (n,), the rest scalars or broadcastable. helicity -1
    (conserving) or +1 (flipping), in the laboratory. Zero outside the physical and unblocked range, never NaN. Times Z
    or N it is the incoherent cross section of a nucleus.
    """
    mass, e_b = target.mass, gas.removal_energy
    energy, q2, omega = x.energy, x.q2, x.omega
    least, e_f = energy_range(q2, omega, mass, gas)
    low, _, high = omega_range(energy, q2, m, mass, gas)
    inside = (omega >= low) & (omega <= high) & (x.nucleon_energy >= least) & (x.nucleon_energy <= e_f) & (q2 > 0)
    inside = inside & (high > low) & (energy - omega > m)
    # any physical numbers serve outside: they keep both branches of the last `where` finite
    e3 = jnp.where(inside, energy - omega, 2 * m + 1)
    omega = jnp.where(inside, omega, 1.0)
    q2 = jnp.where(inside, q2, 1.0)
    p3 = jnp.sqrt((e3 - m) * (e3 + m))
    q = jnp.sqrt(q2 + omega * omega)
    e_p = jnp.where(inside, x.nucleon_energy, e_f)

    # helicity vectors K = kappa (1, -h khat3); 1 -+ cos theta_3 as distances of Q^2 from its two limits
    orientation = helicity * exchange.orientation
    ahead = orientation < 0
    sum_ep = e3 + p3
    kappa, other = jnp.where(ahead, sum_ep, m * m / sum_ep), jnp.where(ahead, m * m / sum_ep, sum_ep)
    forward = m * m * (2 * omega + m * m / sum_ep) / sum_ep
    backward = 2 * energy * sum_ep - m * m
    k1_across, k1_along, k3_along = _about_q(energy, q2, omega, q, p3, m, forward, backward)

    # the nucleon: along q by energy conservation, across it with the azimuth phi
    w = omega - e_b
    given2 = q2 + e_b * (omega + w)
    p_along = (2 * e_p * w - given2) / (2 * q)
    bound = Bound(
        energy=energy,
        e3=e3,
        p3=p3,
        m=m,
        q2=q2,
        omega=omega,
        q=q,
        given2=given2,
        removal_energy=e_b,
        nucleon_energy=e_p,
        p_along=p_along,
        p_across=_root(e_p * e_p - mass * mass - p_along * p_along),
        azimuth_cosine=sincos2pi(x.azimuth / (2 * jnp.pi))[1],
        k1_across=k1_across,
        k1_along=k1_along,
        k3_along=k3_along,
        orientation=orientation,
        kappa=kappa,
        k_k1=0.5 * kappa * jnp.where(ahead, q2 - forward, backward - q2) / p3,
        other_k1=0.5 * other * jnp.where(ahead, backward - q2, q2 - forward) / p3,
    )
    amplitude2 = exchange.amplitude_squared(bound, target)
    sphere = 3 / (4 * jnp.pi * gas.momentum**3)
    result = 0.5 * amplitude2 * sphere / (64 * jnp.pi * energy * energy * q) * HBAR_C_SQUARED
    return jnp.where(inside, jnp.maximum(result, 0.0), 0.0)


def _about_q(
    energy: jax.Array, q2: jax.Array, omega: jax.Array, q: jax.Array, p3: jax.Array, m: jax.Array,
    forward: jax.Array, backward: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:  # fmt: skip
    """Components of k1 (and k3) across q, of k1 along q, of k3 along q; `forward`, `backward` are the limits of Q^2."""
    along_q = (q2 + m * m + 2 * energy * omega) / (2 * q)
    # |k1 x k3|/|q| = E p3 sin theta_3/|q|, with 2 E p3 sin theta_3 = sqrt[(Q^2 - forward)(backward - Q^2)]
    return _root((q2 - forward) * (backward - q2)) / (2 * q), along_q, along_q - q


def sample(
    u: Uniforms, energy: jax.Array, m: jax.Array, mass: jax.Array, gas: FermiGas, draw_q2: DrawQ2
) -> tuple[Kinematics, jax.Array]:
    """Kinematics of an event and the Jacobian dQ^2 domega dE_p dphi/du, GeV^4 radian: times `density`, the weight.

    Q^2 is that of draw_q2(u, low, high) -> (Q^2, dQ^2/du), the others flat in their exact intervals. The mean of the
    weight is the total cross section per nucleon. A weight is zero below threshold only. Shapes: u and energy (n,),
    the rest scalars.
    """
    bottom_q2, top_q2 = q2_range(energy, m, mass, gas)
    q2, jacobian = draw_q2(u.q2, bottom_q2, top_q2)
    least_omega, _, most_omega = omega_range(energy, q2, m, mass, gas)
    omega = least_omega + (most_omega - least_omega) * u.omega
    least, e_f = energy_range(q2, omega, mass, gas)
    span = jnp.maximum(e_f - least, 0.0)
    jacobian = jacobian * (most_omega - least_omega) * span * (2 * jnp.pi)
    return Kinematics(energy, q2, omega, e_f - span * u.nucleon, 2 * jnp.pi * u.azimuth), jacobian


def n4_momentum(x: Kinematics, m: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(energy, momentum across, momentum along the neutrino) of N, GeV; shapes of x (n,), m scalar.

    E3 = E - omega, p_L = E3 - (m^2 + Q^2)/2E, p_T = sqrt[(Q^2 - forward)(backward - Q^2)]/2E with the limits of Q^2 at
    this omega, forward = m^2 (2 omega + m^2/S)/S and backward = 2 E S - m^2, S = E3 + p3: free of cancellation.
    """
    e3 = x.energy - x.omega
    sum_ep = e3 + _root(e3 * e3 - m * m)
    forward = m * m * (2 * x.omega + m * m / sum_ep) / sum_ep
    across = _root((x.q2 - forward) * (2 * x.energy * sum_ep - m * m - x.q2)) / (2 * x.energy)
    return e3, across, e3 - (m * m + x.q2) / (2 * x.energy)


def momenta(x: Kinematics, axis: Vector, n4: Vector, mass: jax.Array, nucleus: jax.Array, gas: FermiGas) -> Momenta:
    """Four-vectors of an event from the unit vector of the neutrino (`axis`) and the momentum of N (`n4`).

    Shapes: x, axis, n4 (n,); masses of the nucleon and of the nucleus (at rest) scalars. GeV. Momentum and energy
    balance to a few ulp of the nuclear mass. The remnant takes E_b: its mass differs from the nuclide's. Where N flies
    along the neutrino the azimuth of the nucleon has no meaning, and any direction across q serves.
    """
    e_b, omega = gas.removal_energy, x.omega
    transfer = axis.scale(x.energy).minus(n4)
    q = transfer.norm()
    w = omega - e_b
    p_along = (2 * x.nucleon_energy * w - (x.q2 + e_b * (omega + w))) / (2 * q)
    p_across = _root(x.nucleon_energy**2 - mass * mass - p_along * p_along)
    q_hat = transfer.scale(1 / q)
    first, second = transverse_axes(q_hat)
    # the azimuth counts from the part of k1 across q
    across_1, across_2 = axis.dot(first), axis.dot(second)
    across2 = across_1 * across_1 + across_2 * across_2
    defined = across2 > 0
    scale = 1 / jnp.sqrt(jnp.where(defined, across2, 1.0))
    cos_k1, sin_k1 = jnp.where(defined, across_1 * scale, 1.0), jnp.where(defined, across_2 * scale, 0.0)
    sin_phi, cos_phi = sincos2pi(x.azimuth / (2 * jnp.pi))
    one, two = cos_phi * cos_k1 - sin_phi * sin_k1, cos_phi * sin_k1 + sin_phi * cos_k1
    p = q_hat.scale(p_along).plus(first.scale(p_across * one)).plus(second.scale(p_across * two))
    energy = x.nucleon_energy - e_b
    return Momenta(
        struck=four(energy, p),
        recoil=four(energy + omega, p.plus(transfer)),
        remnant=four(nucleus - energy, p.scale(-jnp.ones_like(energy))),
    )


def kinematics(neutrino: FourVector, struck: FourVector, recoil: FourVector, gas: FermiGas) -> Kinematics:
    """The inverse of `momenta`, for the reweighting of stored events: Kinematics of four-vectors, components (n,), GeV.

    Accuracy: Q^2 = (|q| - omega)(|q| + omega) to 1e-16 E/|q| relative.
    """
    q = recoil.p.minus(struck.p)
    omega = recoil.e - struck.e
    norm = q.norm()
    cross = Vector(
        q.y * neutrino.z - q.z * neutrino.y,
        q.z * neutrino.x - q.x * neutrino.z,
        q.x * neutrino.y - q.y * neutrino.x,
    )
    # components of p along k1 across q and along q x k1 = k1 x k3, both times |k1 across q|
    along_normal = cross.dot(struck.p)
    in_plane = neutrino.p.dot(struck.p) - neutrino.p.dot(q) * q.dot(struck.p) / (norm * norm)
    azimuth = jnp.arctan2(along_normal / norm, in_plane)
    q2 = (norm - omega) * (norm + omega)
    return Kinematics(neutrino.e, q2, omega, struck.e + gas.removal_energy, azimuth)


# Responses of a nucleus to scattering on nucleons at rest, as numbers so that they can be data of a compiled program.
FREE, CLOSURE, PAULI = 0.0, 1.0, 2.0


def response_of_free_nucleons(q2: jax.Array, kind: jax.Array, target: Target, fermi_momentum: jax.Array) -> jax.Array:
    """Factor on `upscattering.dsigma_dq2` of a nucleon at rest: 1 (FREE), `closure_response` or `pauli_response`.

    FREE counts the ground state of the nucleus again and is for comparison only. Shapes broadcast; GeV.
    """
    closure, pauli = closure_response(q2, target), pauli_response(q2, target.mass, fermi_momentum)
    return jnp.where(kind > 0.5 * (CLOSURE + PAULI), pauli, jnp.where(kind > 0.5 * (FREE + CLOSURE), closure, 1.0))


def closure_response(q2: jax.Array, target: Target) -> jax.Array:
    """1 - F(Q^2)^2, F the charge form factor of the nucleus the nucleon sits in.

    Times dsigma/dQ^2 of a nucleon at rest: all final states but the ground state, for uncorrelated nucleons. An
    alternative to the Fermi gas, never a factor on top of it. Shapes broadcast; GeV^2. Source: the closure sum rule,
    e.g. T. W. Donnelly, I. Sick, Rev. Mod. Phys. 56 (1984) 461.
    """
    form = fourier_bessel(q2, target.radius, target.coefficients)
    return jnp.clip(1 - form * form, 0.0, 1.0)


def pauli_response(q2: jax.Array, mass: jax.Array, fermi_momentum: jax.Array) -> jax.Array:
    """Share of the Fermi sphere that a momentum transfer lifts out of it: R = 3x/4 - x^3/16 for x < 2, else 1.

    x = |q|/p_F, |q|^2 = Q^2 + (Q^2/2M)^2, as given to a nucleon at rest. Times dsigma/dQ^2 of that nucleon: a Fermi gas
    without motion and removal energy. Shapes broadcast; GeV. Source: H. Feshbach, A. de Shalit, Theoretical Nuclear
    Physics I (1974), sum rule of a Fermi gas.
    """
    x = jnp.minimum(jnp.sqrt(q2 * (1 + q2 / (4 * mass * mass))) / fermi_momentum, 2.0)
    return x * (0.75 - x * x / 16)
