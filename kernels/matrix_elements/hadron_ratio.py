"""R(s) = sigma(e+ e- -> hadrons)/sigma(e+ e- -> mu+ mu-, massless) as a smooth function of sqrt(s).

What it is made of:
  below 1 GeV      pi+ pi- by a Gounaris-Sakurai form factor with rho-omega interference, omega and phi to the rest
                   (3 pi, pi0 gamma, eta gamma), K+ K- and K0 K0bar by vector-meson dominance
  0.85 - 1.9 GeV   a crossover to perturbation theory, with a bump for rho(1700), omega(1650), phi(1680); its form
                   and numbers are a fit to the compilation of the PDG, not a theory
  above            3 sum Q^2 (1 + alpha_s/pi + ...), with charm and bottom from their open thresholds, and
                   charmonium and bottomonium as Breit-Wigner peaks with their true widths

Radiation in the initial state is not in it; photon vacuum polarisation is in the resonances' electronic widths.
Validity: 2 m_pi < sqrt(s) < 40 GeV (no Z). Accuracy against the compilation of e+ e- data (PDG, P. A. Zyla et al.,
Prog. Theor. Exp. Phys. 2020, 083C01, data of the plots of sigma and R): stated at `hadron_ratio`.
"""

import math

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import ALPHA, MASS_KAON, MASS_PION

MASS_NEUTRAL_PION, MASS_ETA, MASS_NEUTRAL_KAON = 0.1349768, 0.547862, 0.497611  # GeV, PDG 2024
MASS_D, MASS_B = 1.86484, 5.27934  # GeV: lightest charmed and bottom mesons, PDG 2024

# Pion form factor: J. P. Lees et al. (BaBar), Phys. Rev. D 86 (2012) 032013, Table VI: mass, width (GeV),
# amplitude, phase
_RHO = (0.77502, 0.14959)
_OMEGA_IN_PIONS = (0.78191, 0.00813, 1.644e-3, -0.011)
_EXCITED_RHO = ((1.493, 0.427, 0.158, 3.76), (1.861, 0.316, 0.068, 1.39), (2.254, 0.109, 0.0051, 0.70))

# PDG 2024: mass, width (GeV)
_OMEGA, _PHI = (0.78266, 0.00868), (1.019461, 0.004249)
_OMEGA_EE, _PHI_EE = 7.38e-5, 2.979e-4  # branching ratios to e+ e-
_OMEGA_3PI, _OMEGA_PI0_GAMMA = 0.892, 0.0835
_PHI_3PI, _PHI_ETA_GAMMA = 0.154, 0.01303
# Heavy quarkonia, PDG 2024: mass, width, width to e+ e- (GeV), leptonic channels that are open
_HEAVY = (
    (3.096900, 92.6e-6, 5.53e-6, 2),
    (3.686097, 293e-6, 2.33e-6, 2),
    (3.7737, 27.2e-3, 0.26e-6, 0),
    (4.040, 85e-3, 0.86e-6, 0),
    (4.191, 69e-3, 0.48e-6, 0),
    (4.415, 110e-3, 0.58e-6, 0),
    (9.46040, 54.02e-6, 1.340e-6, 3),
    (10.0234, 31.98e-6, 0.612e-6, 3),
    (10.3551, 20.32e-6, 0.443e-6, 3),
    (10.5794, 20.5e-3, 0.272e-6, 0),
    (10.8852, 37e-3, 0.31e-6, 0),
    (11.000, 24e-3, 0.13e-6, 0),
)


def _cuts() -> tuple[float, ...]:
    """Masses between which R is smooth enough for Gauss-Legendre: thresholds, and m^2 +- m Gamma 10^k about peaks."""
    found = [MASS_NEUTRAL_PION, 2 * MASS_PION, 2 * MASS_PION + MASS_NEUTRAL_PION, MASS_ETA, 2 * MASS_KAON]
    found += [2 * MASS_NEUTRAL_KAON, 2 * MASS_D, 2 * MASS_B, _ONSET, *_STEPS]
    found += [_BUMP_CENTRE, 1.8, 2.3, 5.5, 7.0]  # where it bends
    for mass, width in (_OMEGA, _OMEGA_IN_PIONS[:2], _PHI, *(peak[:2] for peak in _HEAVY)):
        steps = [10.0**k * mass * width for k in range(4) if 10.0**k * width < 0.3 * mass]
        found += [math.sqrt(mass * mass + sign * step) for step in steps for sign in (-1, 1)] + [mass]
    return tuple(sorted(found))


def _root(x: jax.Array) -> jax.Array:
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def _chew(s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Real and imaginary part of h - i k/sqrt(s), the pion loop of Gounaris and Sakurai, continued below threshold."""
    root_s = jnp.sqrt(s)
    k2 = 0.25 * s - MASS_PION**2
    above = k2 > 0
    k = jnp.sqrt(jnp.where(above, k2, 1.0))
    kappa = jnp.sqrt(jnp.where(above, 1.0, jnp.maximum(-k2, 1e-30)))
    log = jnp.log((root_s + 2 * k) / (2 * MASS_PION))
    real = jnp.where(above, k / root_s * log, kappa / root_s * jnp.arctan(root_s / (2 * kappa))) * (2 / math.pi)
    return real, jnp.where(above, -k / root_s, 0.0)


def _gounaris_sakurai(s: jax.Array, mass: float, width: float) -> jax.Array:
    """m^2 (1 + d Gamma/m) / [m^2 - s + f(s) - i m Gamma(s)], complex; 1 at s = 0.

    f and Gamma(s) together are Gamma m^2/k_m^3 [k^2 (H - h_m) + (m^2 - s) k_m^2 h'_m] with H of `_chew`. Source: G. J.
    Gounaris, J. J. Sakurai, Phys. Rev. Lett. 21 (1968) 244, notation of BaBar.
    """
    m2, k2_m = mass * mass, 0.25 * mass * mass - MASS_PION**2
    k_m = math.sqrt(k2_m)
    log = math.log((mass + 2 * k_m) / (2 * MASS_PION))
    h_m = 2 / math.pi * k_m / mass * log
    slope = h_m * (1 / (8 * k2_m) - 1 / (2 * m2)) + 1 / (2 * math.pi * m2)
    d = 3 / math.pi * MASS_PION**2 / k2_m * log + mass / (2 * math.pi * k_m) - MASS_PION**2 * mass / (math.pi * k_m**3)
    real, imaginary = _chew(s)
    k2 = 0.25 * s - MASS_PION**2
    scale = width * m2 / k_m**3
    f = scale * (k2 * (real - h_m) + (m2 - s) * k2_m * slope)
    return (m2 * (1 + d * width / mass)) / jax.lax.complex(m2 - s + f, scale * k2 * imaginary)


def _breit_wigner(s: jax.Array, mass: float, width: float) -> jax.Array:
    """m^2/(m^2 - s - i m Gamma), complex."""
    return mass * mass / jax.lax.complex(mass * mass - s, jnp.full_like(s, -mass * width))


def pion_form_factor(s: jax.Array) -> jax.Array:
    """F_pi(s), complex: rho with rho-omega interference, rho', rho'', rho''' by Gounaris-Sakurai; F_pi(0) = 1.

    Shapes: any, real. GeV^2. Domain: 0 < s < 9 GeV^2. Accuracy: |F|^2 to 2 % up to 1 GeV, 10 % up to 1.3 GeV. Source:
    the fit of BaBar, see the numbers above.
    """
    mass, width, amplitude, phase = _OMEGA_IN_PIONS
    mixing = amplitude * complex(math.cos(phase), math.sin(phase))
    total = _gounaris_sakurai(s, *_RHO) * ((1 + mixing * _breit_wigner(s, mass, width)) / (1 + mixing))
    norm = 1 + 0j
    for mass, width, amplitude, phase in _EXCITED_RHO:
        c = amplitude * complex(math.cos(phase), math.sin(phase))
        total = total + c * _gounaris_sakurai(s, mass, width)
        norm += c
    return total / norm


def _squared(z: jax.Array) -> jax.Array:
    return jnp.real(z) ** 2 + jnp.imag(z) ** 2


def _kaon_form_factor(s: jax.Array, isospin: float) -> jax.Array:
    """F_K of K+ (isospin +1/2) or K0 (-1/2), complex: rho, omega and phi with the shares of SU(3), ideal mixing."""
    rho, omega = _gounaris_sakurai(s, *_RHO), _breit_wigner(s, *_OMEGA)
    return isospin * rho + omega / 6 + _breit_wigner(s, *_PHI) / 3


def _scalar_pair(s: jax.Array, mass: float, form: jax.Array) -> jax.Array:
    """R of a pair of pseudoscalars: beta^3 |F|^2/4."""
    return 0.25 * _root(1 - 4 * mass * mass / s) ** 3 * _squared(form)


def _peak(s: jax.Array, mass: float, width: float, ee: float, hadrons: float | jax.Array) -> jax.Array:
    """R of a Breit-Wigner peak: 9 s Gamma_ee Gamma_had/{alpha^2 [(s - m^2)^2 + m^2 Gamma^2]}; widths in GeV."""
    return 9 / ALPHA**2 * ee * hadrons * s / ((s - mass * mass) ** 2 + (mass * width) ** 2)


def _opening(s: jax.Array, mass: float, threshold: float, power: int) -> jax.Array:
    """Phase space of a decay relative to its value at the mass, [(1 - s0/s)/(1 - s0/m^2)]^power, 0 below threshold."""
    s0 = threshold * threshold
    return (jnp.maximum(1 - s0 / s, 0.0) / (1 - s0 / mass**2)) ** power


def _exclusive(s: jax.Array) -> jax.Array:
    """Sum of the channels of the light vector mesons."""
    total = _scalar_pair(s, MASS_PION, pion_form_factor(s))
    total = total + _scalar_pair(s, MASS_KAON, _kaon_form_factor(s, 0.5))
    total = total + _scalar_pair(s, MASS_NEUTRAL_KAON, _kaon_form_factor(s, -0.5))
    # omega and phi interfere in three pions with opposite signs, which fills the gap between them
    real, imaginary = jnp.zeros_like(s), jnp.zeros_like(s)
    for sign, (mass, width), ee, pions, radiative, light in (
        (1.0, _OMEGA, _OMEGA_EE, _OMEGA_3PI, _OMEGA_PI0_GAMMA, MASS_NEUTRAL_PION),
        (-1.0, _PHI, _PHI_EE, _PHI_3PI, _PHI_ETA_GAMMA, MASS_ETA),
    ):
        opening = _opening(s, mass, 2 * MASS_PION + MASS_NEUTRAL_PION, 4)
        strength = 3 * sign / ALPHA * width / mass**2 * math.sqrt(ee * pions)
        amplitude, shape = strength * _root(s * opening), _breit_wigner(s, mass, width)
        real, imaginary = real + amplitude * jnp.real(shape), imaginary + amplitude * jnp.imag(shape)
        total = total + _peak(s, mass, width, ee * width, width * radiative * _opening(s, mass, light, 3))
    return total + real * real + imaginary * imaginary


def strong_coupling(s: jax.Array) -> jax.Array:
    """alpha_s at mu^2 = s in MS-bar: two loops, three flavours below and four above 3.0 GeV, five above 9.4 GeV.

    Lambda of each step makes it continuous, and alpha_s(m_Z) = 0.118 (PDG 2024). Frozen below 1 GeV. Shapes: any;
    GeV^2. Accuracy 14 % at 1.8 GeV, 3 % above 3 GeV.
    """
    s = jnp.maximum(s, 1.0)
    value = _two_loops(s, 5)
    value = jnp.where(s < _STEPS[1] ** 2, _two_loops(s, 4), value)
    return jnp.where(s < _STEPS[0] ** 2, _two_loops(s, 3), value)


def _two_loops(s: jax.Array, flavours: int) -> jax.Array:
    b0, b1 = 11 - 2 * flavours / 3, 102 - 38 * flavours / 3
    log = jnp.log(s / _LAMBDA[flavours] ** 2)
    return 4 * math.pi / (b0 * log) * (1 - b1 / b0**2 * jnp.log(log) / log)


_STEPS = (3.0, 9.4)  # GeV


def _host_coupling(scale: float, lam: float, flavours: int) -> float:
    """`_two_loops` in ordinary numbers: the Lambdas are made when the module is imported."""
    b0, b1 = 11 - 2 * flavours / 3, 102 - 38 * flavours / 3
    log = 2 * math.log(scale / lam)
    return 4 * math.pi / (b0 * log) * (1 - b1 / b0**2 * math.log(log) / log)


def _lambda_for(alpha_s: float, scale: float, flavours: int) -> float:
    """The Lambda that gives alpha_s at a scale: bisection in ln Lambda."""
    low, high = 0.01, 0.6
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _host_coupling(scale, middle, flavours) < alpha_s else (low, middle)
    return low


def _lambdas() -> dict[int, float]:
    five = _lambda_for(0.118, 91.188, 5)
    four = _lambda_for(_host_coupling(_STEPS[1], five, 5), _STEPS[1], 4)
    return {5: five, 4: four, 3: _lambda_for(_host_coupling(_STEPS[0], four, 4), _STEPS[0], 3)}


_LAMBDA = _lambdas()


_ROUNDING = 0.45  # GeV


def _perturbative(s: jax.Array) -> jax.Array:
    """3 sum Q^2 times the QCD series: light quarks with their massless one, charm and bottom from open threshold.

    Light: 1 + a + 1.640 a^2 - 10.28 a^3, a = alpha_s/pi (PDG 2024, review of quantum chromodynamics, n_f = 3).
    Heavy: v (3 - v^2)/2 [1 + 4/3 alpha_s g(v)], g = pi/2v - (3 + v)/4 (pi/2 - 3/4pi), v^2 = 1 - 4 M^2/s with the
    lightest meson's mass M, after J. Schwinger; rounded at threshold over 0.45 GeV,
    which the data above 3.73 GeV ask for.
    """
    alpha_s = strong_coupling(s)
    a = alpha_s / math.pi
    total = 2 * (1 + a * (1 + a * (1.640 - 10.28 * a)))
    for share, mass in ((4 / 3, MASS_D), (1 / 3, MASS_B)):
        opened = s > 4 * mass * mass
        v = jnp.sqrt(jnp.where(opened, 1 - 4 * mass * mass / jnp.where(opened, s, 1.0), 0.5))
        g = math.pi / (2 * v) - 0.25 * (3 + v) * (math.pi / 2 - 3 / (4 * math.pi))
        rounded = -jnp.expm1(-(jnp.sqrt(s) - 2 * mass) / _ROUNDING)
        heavy = 0.5 * v * (3 - v * v) * (1 + 4 / 3 * alpha_s * g) * rounded
        total = total + jnp.where(opened, share * heavy, 0.0)
    return total


# Crossover: share of perturbation theory [1 - (onset/E)^8]/(1 + exp[(centre - E)/width]), and a Gaussian bump: a fit to
# the compilation between 1.03 and 2.9 GeV.
_ONSET, _CENTRE, _WIDTH = 0.85, 1.319, 0.1233
_FADE_CENTRE, _FADE_WIDTH = 1.35, 0.05  # GeV: the light mesons' tails go over into the continuum
_BUMP, _BUMP_CENTRE, _BUMP_WIDTH = 0.397, 1.601, 0.102


def hadron_ratio(root_s: jax.Array) -> jax.Array:
    """R(s), dimensionless. Shapes: any. Argument: sqrt(s) in GeV. 0 below m_pi0; continuous and differentiable but for
    kinks at thresholds.

    Accuracy against the PDG's compilation: 8 % from 0.35 to 0.98 GeV, 20 % on the flank of the phi (0.99 to 1.04),
    9 % to 3.7 GeV, 26 % from 3.73 to 4.5 GeV (resonances add here, real ones interfere), 8 % from 4.6 to 11 GeV, 12 %
    above. Narrow peaks have the widths of the mesons, down to 20 keV.
    """
    opened = root_s > MASS_NEUTRAL_PION
    e = jnp.where(opened, root_s, 1.0)
    s = e * e
    continuum = jax.nn.sigmoid((e - _CENTRE) / _WIDTH) * jnp.maximum(1 - (_ONSET / e) ** 8, 0.0)
    bump = _BUMP * jnp.exp(-0.5 * ((e - _BUMP_CENTRE) / _BUMP_WIDTH) ** 2)
    total = jax.nn.sigmoid((_FADE_CENTRE - e) / _FADE_WIDTH) * _exclusive(s) + continuum * _perturbative(s) + bump
    for mass, width, ee, leptons in _HEAVY:
        total = total + _peak(s, mass, width, ee, width - leptons * ee)
    return jnp.where(opened, total, 0.0)


RATIO_CUTS = _cuts()
