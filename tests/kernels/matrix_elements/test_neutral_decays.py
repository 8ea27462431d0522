"""Widths and the polarised density of N -> nu Z' -> nu l l: reference numbers, matrices, quadrature, limits."""

from typing import Any

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from scattering import entries, models, values

from darkhorn.kernels.constants import FERMI_CONSTANT, MASS_ELECTRON, MASS_MUON, SIN2_THETA_W
from darkhorn.kernels.kinematics import two_body_momentum
from darkhorn.kernels.matrix_elements.neutral_decays import (
    chain_density_terms,
    neutrino_slope,
    width_off_shell,
    width_three_neutrinos,
    width_to_vector,
    width_vector_to_leptons,
    width_vector_to_neutrinos,
    width_vector_to_pair,
    width_weak_dilepton,
)

Real = NDArray[np.float64]
REFERENCE_ELECTRON = 0.0005109989500015
off_shell = jax.jit(width_off_shell)
weak_dilepton = jax.jit(width_weak_dilepton)


def column(values: Any) -> jax.Array:
    return jnp.asarray(np.asarray(values, float))


def is_majorana(selected: list[dict[str, Any]]) -> jax.Array:
    return column([entry["HNLtype"] == "majorana" for entry in selected])


# --- reference numbers -------------------------------------------------------

WIDTHS = [entry for entry in entries("dark_neutrino_widths") if entry["point"] != "P5_tmm"]  # P5: a dipole, not here


def masses(entry: dict[str, Any]) -> tuple[float, float, float]:
    model = models("dark_neutrino_widths")[entry["point"]]
    return model["m" + entry["parent"][1]], model["m4"] if entry["daughter"] == "N4" else 0.0, model["mzprime"]


def of_channel(channel: str, count: int) -> tuple[list[dict[str, Any]], tuple[jax.Array, jax.Array, jax.Array]]:
    chosen = [entry for entry in WIDTHS if entry["channel"] == channel]
    assert len(chosen) == count
    m, m_j, m_vector = (column(row) for row in zip(*map(masses, chosen), strict=True))
    return chosen, (m, m_j, m_vector)


def test_every_reference_width_to_an_on_shell_vector() -> None:
    chosen, (m, m_j, m_vector) = of_channel("N->Nj Z' (on shell)", 4)
    ours = width_to_vector(m, m_j, m_vector, column(values(chosen, "coupling")), is_majorana(chosen))
    np.testing.assert_allclose(np.asarray(ours), values(chosen, "cross_check", "independent"), rtol=1e-12)


def test_every_reference_width_of_the_vector() -> None:
    chosen, (_, _, m_vector) = of_channel("Z'->e+e-", 4)
    electron = jnp.full(4, REFERENCE_ELECTRON)
    ours = width_vector_to_leptons(m_vector, electron, column(values(chosen, "coupling_vector")))
    np.testing.assert_allclose(np.asarray(ours), values(chosen, "cross_check", "independent"), rtol=1e-12)


def test_every_reference_width_off_shell() -> None:
    chosen, (m, m_j, m_vector) = of_channel("N->Nj e+e- (off-shell Z')", 4)
    lepton = column(values(chosen, "lepton_vector"))
    electron = jnp.full(4, REFERENCE_ELECTRON)
    width = width_vector_to_leptons(m_vector, electron, lepton)
    ours = off_shell(m, m_j, m_vector, width, electron, column(values(chosen, "coupling")), lepton, is_majorana(chosen))
    np.testing.assert_allclose(np.asarray(ours), values(chosen, "cross_check", "independent_vector_only"), rtol=1e-6)


def test_every_reference_width_across_the_threshold_of_the_vector() -> None:
    chosen = entries("width")
    assert len(chosen) == 90
    inputs = [entry["inputs"] for entry in chosen]
    names = ("m_N", "m_j", "m_Zprime", "Gamma_Zprime", "m_e", "d", "g_e")
    ours = off_shell(*(column(values(inputs, name)) for name in names), is_majorana(inputs))
    np.testing.assert_allclose(np.asarray(ours), values(chosen, "value_GeV"), rtol=1e-6)


# --- against explicit matrices -----------------------------------------------


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize(("m_j", "m_vector"), [(0.0, 0.03), (0.05, 0.04), (0.02, 0.085)])
def test_width_to_a_vector_by_matrices(majorana: float, m_j: float, m_vector: float) -> None:
    """Gamma = |k| / (8 pi m^2) <|M|^2>, vertex P_L (Dirac) or P_L - P_R (Majorana)."""
    m = 0.106
    k = float(two_body_momentum(number(m), number(m_j), number(m_vector)))
    neutrino = np.array([np.hypot(k, m_j), 0.0, 0.0, k])
    vector = np.array([np.hypot(k, m_vector), 0.0, 0.0, -k])
    vertex = dirac.GAMMA @ (-dirac.GAMMA5 if majorana else dirac.LEFT)
    line = dirac.tensor(dirac.density(neutrino, m_j), vertex, dirac.density(np.array([m, 0.0, 0.0, 0.0]), m))
    polarisation = -dirac.METRIC + np.outer(vector, vector) / m_vector**2
    expected = k / (8 * np.pi * m**2) * float(dirac.contract(line, polarisation.astype(complex))) / 2
    ours = width_to_vector(number(m), number(m_j), number(m_vector), number(1.0), number(majorana))
    assert float(ours) == pytest.approx(expected, rel=1e-12)


def boost(p: Real, gamma: Real, beta_gamma: Real) -> Real:
    """Boost along z."""
    e, pz = gamma * p[..., 0] + beta_gamma * p[..., 3], gamma * p[..., 3] + beta_gamma * p[..., 0]
    return np.stack([e, p[..., 1], p[..., 2], pz], axis=-1)


@pytest.mark.parametrize("helicity", [-1.0, 1.0])
@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize("m_lepton", [MASS_ELECTRON, 0.012])
@pytest.mark.parametrize("m_j", [0.0, 0.03])
def test_density_of_the_chain_by_matrices(
    m_lepton: float, m_j: float, majorana: float, helicity: float, rng: np.random.Generator
) -> None:
    """|M|^2 of N -> nu Z' -> nu l l over A - B (khat.e)(phat.e) is one constant at every angle.

    For a Majorana N (vertex P_L - P_R) too, where the spin of N drops out.
    """
    m, m_vector, n = 0.106, 0.05, 200
    k = float(two_body_momentum(number(m), number(m_j), number(m_vector)))
    energy = np.hypot(k, m_vector)
    lepton = np.sqrt(m_vector**2 / 4 - m_lepton**2)
    cosine, mu, phi = rng.uniform(-1, 1, n), rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    zero, one = np.zeros(n), np.ones(n)
    flat = np.sqrt(1 - mu**2)
    e = np.stack([flat * np.cos(phi), flat * np.sin(phi), mu], axis=-1)
    # z' along the neutrino, x' along the transverse part of the spin axis; the vector flies along -z'
    neutrino = np.stack([np.hypot(k, m_j) * one, zero, zero, k * one], axis=-1)
    spin = helicity * np.stack([zero, np.sqrt(1 - cosine**2), zero, cosine], axis=-1)
    at_rest = np.concatenate([0.5 * m_vector * one[:, None], lepton * e], axis=-1)
    negative = boost(at_rest, energy / m_vector * one, -k / m_vector * one)
    positive = np.stack([energy * one, zero, zero, -k * one], axis=-1) - negative
    parent = np.stack([m * one, zero, zero, zero], axis=-1)

    vertex = dirac.GAMMA @ (-dirac.GAMMA5 if majorana else dirac.LEFT)
    heavy = dirac.tensor(dirac.density(neutrino, m_j), vertex, dirac.density(parent, m, spin))
    pair = dirac.tensor(
        dirac.density(negative, m_lepton), dirac.GAMMA, dirac.density(positive, m_lepton, antiparticle=True)
    )
    squared = dirac.contract(heavy, pair)
    arguments = *map(number, (m, m_j, m_vector, m_lepton, helicity, majorana)), jnp.asarray(cosine)
    a, b, cos_alpha, sin_alpha = map(np.asarray, chain_density_terms(*arguments))
    ours = a - b * (sin_alpha * e[:, 0] + cos_alpha * e[:, 2]) * e[:, 2]
    ratio = squared / ours / m_vector**2
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-10)
    # Dirac: d^2 g^2 8/2 in the normalisation of the matrices; Majorana: the two helicities of the Dirac case add
    assert ratio[0] == pytest.approx(8.0 if majorana else 4.0, rel=1e-10)
    if not majorana:
        # integrated over e, 4 pi (A - B cos(alpha) / 3) is the linear law of the neutrino
        slope = neutrino_slope(*map(number, (m, m_j, m_vector, helicity)))
        law = (a - b * cos_alpha / 3) / (1 + float(slope) * cosine)
        np.testing.assert_allclose(law, law[0], rtol=1e-12)


def four_fermion(m: float, m_lepton: float, g_v: float, g_a: float, nodes: int = 60) -> float:
    """Gamma(N -> nu l l) of (G_F/sqrt 2) [nubar gamma (1-gamma5) N] [lbar gamma (g_V - g_A gamma5) l] by quadrature.

    (2 pi)^-3 / (32 m^3) int dm_ll^2 dm_nul^2 <|M|^2>, Gauss-Legendre in both, squared nodes for the root at threshold.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    x, w = (x + 1) / 2, w / 2
    low, high = 4 * m_lepton**2, m**2
    q2 = (low + (high - low) * x * x)[:, None]  # dq2 = 2 x (high - low) dx
    cosine = (2 * x - 1)[None, :]
    q2, cosine = np.broadcast_arrays(q2, cosine)
    q = np.sqrt(q2)
    k, lepton = (m**2 - q2) / (2 * m), np.sqrt(q2 / 4 - m_lepton**2)
    zero = np.zeros_like(q)
    neutrino = np.stack([k, zero, zero, k], axis=-1)
    at_rest = np.stack([q / 2, lepton * np.sqrt(1 - cosine**2), zero, lepton * cosine], axis=-1)
    negative = boost(at_rest, (m - k) / q, -k / q)
    positive = np.stack([m - k, zero, zero, -k], axis=-1) - negative
    parent = np.array([m, 0.0, 0.0, 0.0])
    heavy = dirac.tensor(dirac.slash(neutrino), 2 * dirac.GAMMA @ dirac.LEFT, dirac.density(parent, m))
    vertex = dirac.GAMMA @ (g_v * dirac.ONE - g_a * dirac.GAMMA5)
    pair = dirac.tensor(dirac.density(negative, m_lepton), vertex, dirac.density(positive, m_lepton, antiparticle=True))
    squared = FERMI_CONSTANT**2 / 2 * dirac.contract(heavy, pair) / 2
    # at fixed q2, m_nul^2 is linear in the cosine with slope 2 k m lepton / q
    slope = 2 * k * m / q * lepton
    weight = w[:, None] * (high - low) * 2 * x[:, None] * (2 * w[None, :]) * slope
    return float(np.sum(weight * squared) / ((2 * np.pi) ** 3 * 32 * m**3))


@pytest.mark.parametrize(("m", "m_lepton"), [(0.25, MASS_MUON), (0.45, MASS_MUON), (0.02, 0.004), (0.01, 0.00499)])
def test_weak_dilepton_width_by_matrices(m: float, m_lepton: float) -> None:
    s2 = SIN2_THETA_W
    # lepton current of the Z, and with the W (Fierz-ordered) for the flavour of the lepton
    neutral, charged = (-0.5 + 2 * s2, -0.5), (0.5 + 2 * s2, 0.5)
    for same, couplings in ((0.0, neutral), (1.0, charged)):
        ours = weak_dilepton(*map(number, (m, m_lepton, same, 1 - same, 0.0)))
        assert float(ours) == pytest.approx(four_fermion(m, m_lepton, *couplings), rel=1e-8)


def test_three_neutrinos_by_matrices() -> None:
    """Two foreign flavours and the own one (amplitude 2, symmetry factor 1/2): four times one foreign flavour."""
    one = four_fermion(0.3, 0.0, 0.5, 0.5)
    assert float(width_three_neutrinos(number(0.3), number(1.0), number(0.0))) == pytest.approx(4 * one, rel=1e-10)
    assert float(width_three_neutrinos(number(0.3), number(0.5), number(1.0))) == pytest.approx(4 * one, rel=1e-10)


# --- limits ------------------------------------------------------------------


def test_light_leptons_leave_the_first_coefficient() -> None:
    s2 = SIN2_THETA_W
    unit = FERMI_CONSTANT**2 * 0.3**5 / (192 * np.pi**3)
    for same, sign in ((1.0, 1), (0.0, -1)):
        ours = weak_dilepton(*map(number, (0.3, 3e-7, same, 1 - same, 0.0)))
        assert float(ours) == pytest.approx(unit * (1 + sign * 4 * s2 + 8 * s2**2) / 4, rel=1e-10)
        assert float(weak_dilepton(*map(number, (0.3, 3e-7, same, 1 - same, 1.0)))) == pytest.approx(2 * float(ours))


@pytest.mark.parametrize("excess", [1e-2, 1e-4])
def test_weak_dilepton_width_opens_smoothly(excess: float) -> None:
    """Just above threshold the closed form cancels to (phase space)^2; below it is zero with zero gradient."""
    m = 0.2 * (1 + excess)
    ours = float(weak_dilepton(*map(number, (m, 0.1, 1.0, 0.0, 0.0))))
    unit = FERMI_CONSTANT**2 * m**5 / (192 * np.pi**3)
    assert ours == pytest.approx(four_fermion(m, 0.1, 0.5 + 2 * SIN2_THETA_W, 0.5), rel=1e-6, abs=1e-15 * unit)
    assert ours > 0
    for closed in (0.2, 0.19, 1e-3):
        assert float(weak_dilepton(*map(number, (closed, 0.1, 1.0, 0.0, 0.0)))) == 0.0
        gradient = jax.grad(width_weak_dilepton)(*map(number, (closed, 0.1, 1.0, 0.0, 0.0)))
        assert float(gradient) == 0.0


def test_massless_daughters() -> None:
    m, m_vector, d = 0.106, 0.03, 2e-4
    x = (m_vector / m) ** 2
    ours = width_to_vector(*map(number, (m, 0.0, m_vector, d, 0.0)))
    assert float(ours) == pytest.approx(
        d**2 * m**3 / (32 * np.pi * m_vector**2) * (1 - x) ** 2 * (1 + 2 * x), rel=1e-13
    )
    both = width_to_vector(*map(number, (m, 0.0, m_vector, d, 1.0)))
    assert float(both) == pytest.approx(2 * float(ours), rel=1e-15)
    massless = width_vector_to_leptons(*map(number, (m_vector, 0.0, d)))
    assert float(massless) == pytest.approx(
        2 * float(width_vector_to_neutrinos(number(m_vector), number(d))), rel=1e-15
    )


@pytest.mark.parametrize("m", [0.05, 0.08, 0.0799])
def test_closed_channels_have_no_width(m: float) -> None:
    assert float(width_to_vector(*map(number, (m, 0.05, 0.03, 1.0, 1.0)))) == 0.0
    assert float(width_vector_to_leptons(number(m), number(m / 2), number(1.0))) == 0.0
    assert float(width_vector_to_leptons(number(m), number(m), number(1.0))) == 0.0
    gradients = jax.grad(width_to_vector, argnums=(0, 1, 2))(*map(number, (m, 0.05, 0.03, 1.0, 1.0)))
    assert np.all(np.isfinite(np.array(gradients)))


def test_a_narrow_vector_gives_the_product_of_the_widths() -> None:
    """m_V Gamma_V -> 0 above threshold: Gamma(N -> nu V) BR(V -> l l)."""
    m, m_vector, d, g = 0.106, 0.03, 1e-3, 1e-5
    lepton = float(width_vector_to_leptons(*map(number, (m_vector, MASS_ELECTRON, g))))
    for share in (1.0, 0.25):
        ours = off_shell(*map(number, (m, 0.0, m_vector, lepton / share, MASS_ELECTRON, d, g, 0.0)))
        narrow = share * float(width_to_vector(*map(number, (m, 0.0, m_vector, d, 0.0))))
        assert float(ours) == pytest.approx(narrow, rel=1e-7)


def test_a_heavy_vector_gives_the_contact_width() -> None:
    """(d g / m_V^2)^2 m^5 / (768 pi^3) for massless leptons."""
    m, m_vector, d, g = 0.1, 50.0, 0.1, 0.2
    ours = off_shell(*map(number, (m, 0.0, m_vector, 1e-3, 1e-9, d, g, 0.0)))
    assert float(ours) == pytest.approx((d * g / m_vector**2) ** 2 * m**5 / (768 * np.pi**3), rel=1e-5)


def test_off_shell_width_has_the_gradient_of_its_differences() -> None:
    point = np.array([0.106, 0.01, 0.09, 1e-6, MASS_ELECTRON, 1e-3, 1e-3])

    def value(x: jax.Array) -> jax.Array:
        return width_off_shell(x[0], x[1], x[2], x[3], x[4], x[5], x[6], number(0.0))

    gradient = np.asarray(jax.jit(jax.grad(value))(jnp.asarray(point)))
    steps = 1e-4 * point
    shifted = jnp.asarray(point + np.concatenate([np.diag(steps), -np.diag(steps)]))
    up, down = np.asarray(jax.jit(jax.vmap(value))(shifted)).reshape(2, 7)
    scale = float(np.mean(up)) / point
    np.testing.assert_allclose(gradient / scale, (up - down) / (2 * steps) / scale, rtol=1e-5, atol=1e-6)


# --- a vector to any two fermions ---------------------------------------------


@pytest.mark.parametrize(("left", "right"), [(1.0, 1.0), (1.0, 0.0), (0.7, -0.7), (0.3, 0.9)])
@pytest.mark.parametrize(("m_1", "m_2"), [(0.1, 0.1), (0.1, 0.25), (0.0, 0.3)])
def test_vector_to_pair_by_matrices(m_1: float, m_2: float, left: float, right: float) -> None:
    """|p|/(8 pi M^2) times the average over the polarisations of the vector at rest of |M|^2."""
    mass = 0.7
    p = np.sqrt((mass**2 - (m_1 + m_2) ** 2) * (mass**2 - (m_1 - m_2) ** 2)) / (2 * mass)
    one = np.array([np.sqrt(m_1**2 + p**2), 0.0, 0.6 * p, 0.8 * p])
    two = np.array([np.sqrt(m_2**2 + p**2), 0.0, -0.6 * p, -0.8 * p])
    current = dirac.GAMMA @ (left * dirac.LEFT + right * (dirac.ONE - dirac.LEFT))
    spins = dirac.density(one, m_1), dirac.density(two, m_2, antiparticle=True)
    tensor = np.einsum("ab,mbc,cd,nda->mn", spins[0], current, spins[1], dirac.bar(current))
    squared = np.real(np.trace(tensor[1:, 1:])) / 3
    found = width_vector_to_pair(*(column(x) for x in (mass, m_1, m_2, left, right, 1.0)))
    assert float(found) == pytest.approx(p / (8 * np.pi * mass**2) * squared, rel=1e-12)
    closed = width_vector_to_pair(*(column(x) for x in (m_1 + m_2, m_1, m_2, left, right, 1.0)))
    assert float(closed) == 0.0


def test_equal_majorana_pairs_have_a_p_wave() -> None:
    """d^2 m/(24 pi) (1 - 4y)^(3/2): half of right = -left."""
    found = width_vector_to_pair(*(column(x) for x in (1.0, 0.3, 0.3, 0.4, -0.4, 0.5)))
    assert float(found) == pytest.approx(0.16 / (24 * np.pi) * (1 - 0.36) ** 1.5, rel=1e-12)
