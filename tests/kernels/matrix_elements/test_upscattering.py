"""nu A -> N A: reference numbers, explicit Dirac matrices, kinematic limits, gradients."""

from decimal import Decimal, getcontext

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scattering
from numpy.typing import NDArray
from scattering import centre_of_mass, entries, nucleon, nucleus, points, totals, values, vertices

from darkhorn.kernels.constants import (
    AXIAL_COUPLING,
    DIPOLE_AXIAL_MASS,
    DIPOLE_VECTOR_MASS,
    HBAR_C_SQUARED,
    MAGNETIC_MOMENT_NEUTRON,
    MAGNETIC_MOMENT_PROTON,
    MASS_NEUTRON,
    MASS_PROTON,
    MASS_Z,
    SIN2_THETA_W,
)
from darkhorn.kernels.form_factors import fourier_bessel
from darkhorn.kernels.matrix_elements.upscattering import (
    CONSERVING,
    FLIPPING,
    Target,
    Vertices,
    dsigma_dq2,
    effective_form_factors,
    invariants,
    threshold,
)

Real = NDArray[np.float64]
CM2 = 1e-38
density, kinematics = jax.jit(dsigma_dq2), jax.jit(invariants)
ARGON = nucleus("Ar40")
PROTON = nucleon(1.0, MAGNETIC_MOMENT_PROTON, MAGNETIC_MOMENT_NEUTRON)
NEUTRON = nucleon(0.0, MAGNETIC_MOMENT_NEUTRON, MAGNETIC_MOMENT_PROTON, MASS_NEUTRON)
DARK = vertices(-1e-3, 4e-3)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def at(
    energy: Real | float,
    q2: Real | float,
    m: float = 0.14,
    helicity: float = CONSERVING,
    target: Target = ARGON,
    vertex: Vertices = DARK,
    m_zprime: float = 0.03,
    chirality: float = 1.0,
) -> Real:
    energy, q2 = np.broadcast_arrays(np.asarray(energy, float), np.asarray(q2, float))
    numbers = map(number, (m, m_zprime, helicity, chirality))
    return np.asarray(density(jnp.asarray(energy), jnp.asarray(q2), *numbers, target, vertex))


def limits(energy: float, m: float, mass: float) -> tuple[float, float]:
    cm = kinematics(number(energy), number(m), number(mass))
    return float(cm.q2_min), float(cm.q2_max)


# --- reference numbers -------------------------------------------------------

TOTALS = [entry for entry in entries("dark_neutrino_xsec") if entry["kind"] == "sigma_total"]
DIFFERENTIAL = [entry for entry in entries("dark_neutrino_xsec") if entry["kind"] == "dsigma_dQ2"]


def test_every_total_cross_section_by_zprime_exchange() -> None:
    """Dirac and Majorana, coherent and on protons, both helicities.

    `independent` keeps the digits of the flipping helicity, `value` does not.
    """
    assert len(TOTALS) == 240
    ours = np.asarray(totals(points(TOTALS), jnp.asarray(values(TOTALS, "Q2_cut_GeV2")))) * CM2
    np.testing.assert_allclose(ours, values(TOTALS, "independent"), rtol=1e-7)


def test_every_coherent_total_with_the_z() -> None:
    """The Z interferes destructively, by up to 9 %. The peer's m_Z and ours differ by 5e-6 relative."""
    coherent = [entry for entry in TOTALS if "independent_with_Z" in entry]
    assert len(coherent) == 120
    ours = np.asarray(totals(points(coherent, with_z=True), jnp.asarray(values(coherent, "Q2_cut_GeV2")))) * CM2
    expected = values(coherent, "independent_with_Z")
    np.testing.assert_allclose(ours, expected, rtol=3e-6)
    assert np.min(expected / values(coherent, "independent")) < 0.95  # or the comparison could not see the Z


def test_a_majorana_entry_equals_its_dirac_twin() -> None:
    """A left-handed beam is annihilated by the right-handed half of a Majorana vertex: one function serves both."""
    twin = {
        tuple(str(e[k]) for k in ("point", "target", "regime", "helicity", "E_nu_GeV")): e
        for e in TOTALS
        if e["HNLtype"] == "dirac"
    }
    majorana = [entry for entry in TOTALS if entry["HNLtype"] == "majorana"]
    assert len(majorana) == 80
    for entry in majorana:
        other = twin[tuple(str(entry[k]) for k in ("point", "target", "regime", "helicity", "E_nu_GeV"))]
        assert entry["independent"] == pytest.approx(other["independent"], rel=1e-12)
        if "independent_with_Z" in entry:
            assert entry["independent_with_Z"] == pytest.approx(other["independent_with_Z"], rel=1e-12)


def test_every_differential_cross_section() -> None:
    assert len(DIFFERENTIAL) == 64
    stacked = points(DIFFERENTIAL)
    longest = max(len(entry["Q2_GeV2"]) for entry in DIFFERENTIAL)

    def padded(key: str) -> Real:
        return np.array([entry[key] + [0.0] * (longest - len(entry[key])) for entry in DIFFERENTIAL])

    spectrum = jax.vmap(dsigma_dq2, in_axes=(None, 0) + (None,) * 6)
    every = jax.jit(
        jax.vmap(lambda p, q2: spectrum(p.energy, q2, p.m, p.m_zprime, p.helicity, p.chirality, p.target, p.vertices))
    )
    ours = np.asarray(every(stacked, jnp.asarray(padded("Q2_GeV2")))) * CM2
    np.testing.assert_allclose(ours, padded("independent"), rtol=1e-7)
    cm = jax.vmap(invariants)(stacked.energy, stacked.m, stacked.target.mass)
    # the peer's form of the limits loses digits: 1e-8 is what it keeps
    np.testing.assert_allclose(np.asarray(cm.q2_min), values(DIFFERENTIAL, "Q2min"), rtol=1e-8)
    np.testing.assert_allclose(np.asarray(cm.q2_max), values(DIFFERENTIAL, "Q2max"), rtol=1e-8)


# --- explicit Dirac matrices -------------------------------------------------


def form_factors(
    q2: Real, mass: Real, proton: bool, dark: Real, weak: Real, vector_mass: float = DIPOLE_VECTOR_MASS
) -> tuple[Real, Real, Real]:
    """F1, F2, G_A with couplings and propagators, from the isospin decomposition of the currents."""
    tau, shape = q2 / (4 * mass**2), (1 + q2 / vector_mass**2) ** -2

    def dirac_pauli(charge: float, moment: float) -> tuple[Real, Real]:
        return (charge + tau * moment) * shape / (1 + tau), (moment - charge) * shape / (1 + tau)

    p, n = dirac_pauli(1.0, MAGNETIC_MOMENT_PROTON), dirac_pauli(0.0, MAGNETIC_MOMENT_NEUTRON)
    own, other = (p, n) if proton else (n, p)
    axial = (0.5 if proton else -0.5) * AXIAL_COUPLING * (1 + q2 / DIPOLE_AXIAL_MASS**2) ** -2

    def combined(i: int) -> Real:
        # J_Z = J_3 - 2 s^2 J_em: the isovector current of a proton is half of (p - n), of a neutron half of (n - p)
        return dark * own[i] + weak * (0.5 * (own[i] - other[i]) - 2 * SIN2_THETA_W * own[i])

    return combined(0), combined(1), weak * axial


def amplitude_squared(
    momenta: tuple[Real, Real, Real, Real],
    m: Real,
    mass: Real,
    physical_helicity: float,
    antineutrino: bool,
    current: dirac.Complex,
) -> Real:
    k1, k2, k3, k4 = momenta
    spin = physical_helicity * dirac.helicity_spin(k3, m)
    vertex = dirac.GAMMA @ dirac.LEFT
    heavy = dirac.density(k3, m, spin, antiparticle=antineutrino)
    light = dirac.slash(k1)
    lepton = dirac.tensor(light, vertex, heavy) if antineutrino else dirac.tensor(heavy, vertex, light)
    hadron = dirac.tensor(dirac.density(k4, mass), current, dirac.density(k2, mass))
    return dirac.contract(lepton, hadron)


@pytest.mark.parametrize("scatterer", ["proton", "neutron", "nucleus"])
@pytest.mark.parametrize("antineutrino", [False, True])
def test_density_equals_explicit_matrices(scatterer: str, antineutrino: bool, rng: np.random.Generator) -> None:
    """Vector, Pauli and axial currents with their interference, from threshold to high energy, light and heavy N.

    Z' and Z couplings of the same size, so that every term counts. The peer multiplies nucleon weak form factors by
    the weak charge once more; this test, and not the peer, is what fixes proton-elastic scattering with the Z.
    """
    n = 300
    # a small nucleus: at the zeros of a form factor only its rounding would be compared
    small = nucleus("C12")._replace(radius=number(1e-2))
    target = {"proton": PROTON, "neutron": NEUTRON, "nucleus": small}[scatterer]
    mass = np.full(n, float(target.mass))
    m = np.exp(rng.uniform(np.log(1e-3), np.log(2.0), n))
    m[:20] = 8.0
    above = np.exp(rng.uniform(np.log(1e-4), np.log(20.0), n))  # the first 100 within 1e-2 of threshold
    above[:100] = rng.uniform(1e-6, 1e-2, 100)
    above = np.maximum(above, 1e-6 * mass / m)  # closer, the text-book energy of N below has lost its digits
    energy = (m + m**2 / (2 * mass)) * (1 + above)
    momenta = centre_of_mass(energy, m, mass, rng.uniform(-0.999, 0.999, n))
    q = momenta[0] - momenta[2]
    q2 = -dirac.dot(q, q)
    vertex = Vertices(*(jnp.asarray(rng.uniform(-1, 1, n)) for _ in range(4)))
    m_zprime = jnp.asarray(rng.uniform(40.0, 150.0, n))
    dark = np.asarray(vertex.dark_lepton * vertex.dark_hadron / (m_zprime**2 + q2))
    weak = np.asarray(vertex.weak_lepton * vertex.weak_hadron / (MASS_Z**2 + q2))
    if scatterer == "nucleus":
        shape = np.asarray(fourier_bessel(jnp.asarray(q2), target.radius, target.coefficients))
        f1, f2, axial = shape * (dark + weak), np.zeros(n), np.zeros(n)
    else:
        f1, f2, axial = form_factors(q2, mass, scatterer == "proton", dark, weak)
    current = dirac.nucleon_current(q, mass[:, None, None, None], f1, f2, axial)

    found, expected = [], []
    for helicity in (CONSERVING, FLIPPING):
        # an antineutrino conserves its helicity by giving h = +1
        physical = -helicity if antineutrino else helicity
        matrix = amplitude_squared(momenta, m, mass, physical, antineutrino, current)
        expected.append(0.5 * matrix / (16 * np.pi * (2 * energy * mass) ** 2) * HBAR_C_SQUARED)
        found.append(
            density(
                jnp.asarray(energy),
                jnp.asarray(q2),
                jnp.asarray(m),
                m_zprime,
                number(helicity),
                number(-1.0 if antineutrino else 1.0),
                target,
                vertex,
            )
        )
    ours, traces = np.array(found), np.array(expected)
    # rounding of a sum of some hundred products, of the size of both helicities together
    scale = traces.sum(axis=0)
    np.testing.assert_allclose(ours / scale, traces / scale, rtol=1e-9, atol=3e-12)
    assert np.all(traces[0] > 0)


def test_that_test_sees_the_axial_interference() -> None:
    """Changing the chirality changes the density on a nucleon by far more than the tolerance above."""
    vertex = vertices(0.5, 0.5, 0.5, 0.5)
    forward = at(2.0, 0.5, target=PROTON, vertex=vertex, m_zprime=80.0)
    mirrored = at(2.0, 0.5, target=PROTON, vertex=vertex, m_zprime=80.0, chirality=-1.0)
    assert abs(forward / mirrored - 1) > 0.1
    assert at(2.0, 0.05, vertex=vertex) == at(2.0, 0.05, vertex=vertex, chirality=-1.0)  # a nucleus has no axial charge


@pytest.mark.parametrize("m", [0.0, 0.01, 0.14, 0.8])
def test_sum_over_helicities_is_the_closed_form(m: float, rng: np.random.Generator) -> None:
    """|M|^2 = 4 F1^2 g^2 [2(s-M^2)^2 + 2st + t^2 - m^2(2s+t)]/(m_Z'^2+Q^2)^2; for m = 0 it is conserving alone."""
    energy, mass = rng.uniform(1.0, 3.0, 200), float(ARGON.mass)
    low, high = np.array([limits(e, m, mass) for e in energy]).T
    q2 = low + (np.minimum(high, 0.3) - low) * rng.uniform(1e-3, 0.999, 200)
    both = at(energy, q2, m) + at(energy, q2, m, FLIPPING)
    f1 = np.asarray(fourier_bessel(jnp.asarray(q2), ARGON.radius, ARGON.coefficients))
    coupling = float(DARK.dark_lepton * DARK.dark_hadron)
    s = mass**2 + 2 * energy * mass
    bracket = 2 * (s - mass**2) ** 2 - 2 * s * q2 + q2**2 - m**2 * (2 * s - q2)
    matrix = 4 * (f1 * coupling / (0.03**2 + q2)) ** 2 * bracket
    expected = 0.5 * matrix / (16 * np.pi * (s - mass**2) ** 2) * HBAR_C_SQUARED
    np.testing.assert_allclose(both, expected, rtol=1e-10)
    if m == 0:
        np.testing.assert_array_equal(at(energy, q2, m, FLIPPING), 0.0)


# --- kinematics --------------------------------------------------------------


@pytest.mark.parametrize("mass", [MASS_PROTON, 37.2])
@pytest.mark.parametrize(("energy", "m"), [(1.0, 0.1), (1.0, 1e-4), (20.0, 1e-3), (0.5, 0.0)])
def test_limits_of_q2_in_fifty_digits(energy: float, m: float, mass: float) -> None:
    getcontext().prec = 50
    e, n, a = Decimal(energy), Decimal(m), Decimal(mass)
    s = a * a + 2 * e * a
    root = s.sqrt()
    p1, e3 = (s - a * a) / (2 * root), (s + n * n - a * a) / (2 * root)
    p3 = (e3 * e3 - n * n).sqrt()
    low, high = limits(energy, m, mass)
    assert low == pytest.approx(float(2 * p1 * (e3 - p3) - n * n), rel=1e-13, abs=0.0)
    assert high == pytest.approx(float(2 * p1 * (e3 + p3) - n * n), rel=1e-13)


def test_the_threshold_is_where_the_final_state_is_at_rest() -> None:
    m, mass = 0.3, 11.2
    energy = float(threshold(number(m), number(mass)))
    assert mass**2 + 2 * mass * energy == pytest.approx((m + mass) ** 2, rel=1e-14)
    cm = invariants(number(energy * (1 + 1e-10)), number(m), number(mass))
    assert 0 < float(cm.p3) < 1e-4 * m
    assert float(cm.q2_min) == pytest.approx(float(cm.q2_max), rel=1e-4)


def test_zero_outside_the_range_and_never_nan() -> None:
    energy, mass = 1.0, float(ARGON.mass)
    low, high = limits(energy, 0.14, mass)
    q2 = np.array([0.0, 0.5 * low, low * (1 - 1e-9), high * (1 + 1e-9), 2 * high, 1e6])
    for helicity in (CONSERVING, FLIPPING):
        np.testing.assert_array_equal(at(energy, q2, helicity=helicity), 0.0)
        assert np.all(at(energy, np.linspace(low, high, 50)[1:-1], helicity=helicity) > 0)
    edge = 0.14 + 0.14**2 / (2 * mass)
    for low_energy in (0.0, 0.01, 0.14, edge * (1 - 1e-12), edge):
        np.testing.assert_array_equal(at(low_energy, np.array([0.0, 0.01, 0.14**2, 1.0])), 0.0)


@pytest.mark.parametrize("q2", [0.0, 1e-9, 0.02, 1e3])
@pytest.mark.parametrize("energy", [0.05, 0.14, 0.1402634, 1.0])
def test_gradients_are_finite_on_both_sides_of_every_limit(energy: float, q2: float) -> None:
    gradient = jax.jit(jax.grad(dsigma_dq2, argnums=(0, 1, 2, 3)))
    found = gradient(*map(number, (energy, q2, 0.14, 0.03, -1.0, 1.0)), ARGON, DARK)
    assert np.all(np.isfinite(np.array(found)))


@pytest.mark.parametrize("target", [ARGON, PROTON], ids=["Ar40", "proton"])
@pytest.mark.parametrize("helicity", [CONSERVING, FLIPPING])
def test_gradients_are_the_differences(target: Target, helicity: float) -> None:
    vertex = vertices(-1e-3, 4e-3, -3e-4, -0.4)
    point = np.array([1.0, 0.02, 0.14, 0.03])  # energy, Q^2, m, m_zprime

    def value(x: jax.Array) -> jax.Array:
        return dsigma_dq2(x[0], x[1], x[2], x[3], number(helicity), number(1.0), target, vertex)

    gradient = np.asarray(jax.jit(jax.grad(value))(jnp.asarray(point)))
    steps = point * 1e-5
    shifted = jnp.asarray(point + np.concatenate([np.diag(steps), -np.diag(steps)]))
    up, down = np.asarray(jax.jit(jax.vmap(value))(shifted)).reshape(2, 4)
    np.testing.assert_allclose(gradient, (up - down) / (2 * steps), rtol=1e-6, atol=1e-9 * float(up[0]))


# --- limits of the model -----------------------------------------------------


def test_a_heavy_mediator_is_a_contact_interaction() -> None:
    q2 = np.array([0.01, 0.05, 0.2])
    ratio = at(1.0, q2, m_zprime=1e4) * (1e4 / 1e3) ** 4 / at(1.0, q2, m_zprime=1e3)
    np.testing.assert_allclose(ratio, 1.0, atol=2 * 0.2 / 1e6 * 1.1)


def test_a_light_lepton_is_reached_smoothly() -> None:
    """For m -> 0 the conserving density tends to the massless one, the flipping one falls as m^2."""
    q2 = np.array([0.01, 0.05])
    np.testing.assert_allclose(at(1.0, q2, m=1e-5), at(1.0, q2, m=0.0), rtol=1e-8)
    ratio = at(1.0, q2, m=1e-3, helicity=FLIPPING) / at(1.0, q2, m=1e-4, helicity=FLIPPING)
    np.testing.assert_allclose(ratio, 100.0, rtol=1e-3)


def test_the_density_is_quadratic_in_the_couplings() -> None:
    doubled = jax.tree.map(lambda x: 2 * x, DARK)
    np.testing.assert_allclose(at(1.0, 0.02, vertex=doubled), 16 * at(1.0, 0.02), rtol=1e-14)


def test_the_z_of_a_nucleus_adds_to_the_amplitude() -> None:
    """With equal masses of Z' and Z only the sum of the products of couplings counts."""
    together = at(1.0, 0.02, vertex=vertices(0.3, 0.5, 0.2, -0.4), m_zprime=MASS_Z)
    single = at(1.0, 0.02, vertex=vertices(1.0, 0.3 * 0.5 - 0.2 * 0.4), m_zprime=MASS_Z)
    np.testing.assert_allclose(together, single, rtol=1e-13)


@pytest.mark.parametrize(("own", "other"), [(PROTON, NEUTRON), (NEUTRON, PROTON)], ids=["proton", "neutron"])
def test_charges_of_proton_and_neutron_combine_by_isospin(own: Target, other: Target) -> None:
    """F = V_p F^p + V_n F^n of a proton, V_p F^n + V_n F^p of a neutron: form factors are linear, so three suffice."""
    q2, m_zprime = jnp.asarray([0.01, 0.3]), number(0.2)
    other = other._replace(mass=own.mass)

    def form(target: Target, proton: float, neutron: float) -> Real:
        vertex = vertices(1.0, proton)._replace(dark_other=number(neutron))
        return np.array(effective_form_factors(q2, m_zprime, target, vertex)[:2])

    combined = 0.7 * form(own, 1.0, 0.0) + 0.4 * form(other, 1.0, 0.0)
    np.testing.assert_allclose(form(own, 0.7, 0.4), combined, rtol=1e-13)
    assert not np.allclose(form(own, 0.7, 0.0), combined, rtol=1e-2)
    np.testing.assert_allclose(form(ARGON, 0.7, 0.4), form(ARGON, 0.7, 0.0), rtol=1e-15)  # its charge is made outside


def test_targets_share_one_program() -> None:
    """Nuclide, nucleon, helicity and masses are data."""
    traces = 0

    def counted(*arguments: jax.Array | Target | Vertices) -> jax.Array:
        nonlocal traces
        traces += 1
        return dsigma_dq2(*arguments)  # type: ignore[arg-type]

    compiled = jax.jit(counted)
    for target in (ARGON, nucleus("C12"), PROTON, NEUTRON):
        for helicity in (CONSERVING, FLIPPING):
            compiled(*map(number, (1.0, 0.02, 0.1, 0.03, helicity, 1.0)), target, DARK)
    assert traces == 1


def test_the_shared_terms_do_not_shorten_a_series() -> None:
    assert np.count_nonzero(np.asarray(ARGON.coefficients)) <= scattering.N_TERMS
