"""N -> nu_j l l through a vector of any mass: density by matrices, mean weight and its derivative, limits."""

from typing import Any

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dilepton import (
    REGIMES,
    density,
    draw,
    entries,
    error_of_mean,
    in_regime,
    kinematics,
    model_of,
    number,
    sample,
    tilted,
    total_width,
    uniforms,
)
from goodness import PULL
from numpy.typing import NDArray

from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON
from darkhorn.kernels.kinematics import FourVector, Vector
from darkhorn.kernels.matrix_elements.dilepton_decay import (
    DileptonKinematics,
    DileptonModel,
    DileptonUniforms,
    sample_dilepton,
)

Real = NDArray[np.float64]


# --- the density against explicit matrices ------------------------------------


def boosted(p: Real, frame: Real, mass: Real) -> Real:
    """From the rest frame of `frame` to the frame in which it is given."""
    u, g = frame[:, 1:] / mass[:, None], frame[:, 0] / mass
    along = np.sum(u * p[:, 1:], axis=1)
    return np.concatenate([(g * p[:, 0] + along)[:, None], p[:, 1:] + u * (along / (1 + g) + p[:, 0])[:, None]], axis=1)


def directions(rng: np.random.Generator, n: int) -> Real:
    v = rng.normal(size=(n, 3))
    unit: Real = v / np.linalg.norm(v, axis=1, keepdims=True)
    return unit


@pytest.mark.parametrize("helicity", [-1.0, 0.3, 1.0])
@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize(("m_j", "m_lepton"), [(0.0, MASS_ELECTRON), (0.07, MASS_ELECTRON), (0.07, 0.05)])
@pytest.mark.parametrize(("m_vector", "width"), [(0.12, 0.01), (1.0, 1e-8)])
def test_density_by_matrices(
    m_vector: float,
    width: float,
    m_j: float,
    m_lepton: float,
    majorana: float,
    helicity: float,
    rng: np.random.Generator,
) -> None:
    """|M|^2/(2m) times phase space, with the whole propagator: the q_mu q_nu term must drop out by itself."""
    n, m = 60, 0.22
    q2 = rng.uniform(4 * m_lepton**2, (m - m_j) ** 2, n)
    q = np.sqrt(q2)
    k = np.sqrt((m**2 - (m_j + q) ** 2) * (m**2 - (m_j - q) ** 2)) / (2 * m)
    momentum = np.sqrt(q2 / 4 - m_lepton**2)
    fly, spin_axis, e = directions(rng, n), directions(rng, n), directions(rng, n)
    neutrino = np.concatenate([np.hypot(k, m_j)[:, None], k[:, None] * fly], axis=1)
    pair = np.concatenate([np.hypot(k, q)[:, None], -k[:, None] * fly], axis=1)
    negative = boosted(np.concatenate([(q / 2)[:, None], momentum[:, None] * e], axis=1), pair, q)
    positive = pair - negative
    parent = np.zeros((n, 4))
    parent[:, 0] = m
    spin = np.concatenate([np.zeros((n, 1)), helicity * spin_axis], axis=1)

    vertex = dirac.GAMMA @ (-dirac.GAMMA5 if majorana else dirac.LEFT)
    heavy = dirac.tensor(dirac.density(neutrino, m_j), vertex, dirac.density(parent, m, spin))
    leptons = dirac.tensor(
        dirac.density(negative, m_lepton), dirac.GAMMA, dirac.density(positive, m_lepton, antiparticle=True)
    )
    lowered = pair @ dirac.METRIC
    projector = np.eye(4) - np.einsum("nm,na->nma", pair, lowered) / m_vector**2  # g^mu_alpha - q^mu q_alpha/m_V^2
    leptons = np.einsum("nma,nvb,nab->nmv", projector, projector, leptons)
    model = model_of(m, m_j, m_vector, width, m_lepton, majorana)
    couplings = float(model.coupling * model.lepton_coupling) ** 2
    squared = couplings * dirac.contract(heavy, leptons) / ((q2 - m_vector**2) ** 2 + (m_vector * width) ** 2)
    expected = squared / (2 * m) / (2 * np.pi) * k / (16 * np.pi**2 * m) * momentum / (16 * np.pi**2 * q)

    vectors = [FourVector(*map(jnp.asarray, p.T)) for p in (neutrino, negative, positive)]
    point = kinematics(*vectors, Vector(*map(jnp.asarray, spin_axis.T)))
    np.testing.assert_allclose(np.asarray(point.q2), q2, rtol=1e-9)
    ours = np.asarray(density(point, model, number(helicity)))
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-12 * expected.max())


def test_density_does_not_tell_the_leptons_apart(rng: np.random.Generator) -> None:
    """A vector coupling: the charge conjugate decay has the same density with l+ and l- exchanged."""
    e = jnp.asarray(directions(rng, 50).T)
    q2, cosine = jnp.asarray(rng.uniform(0.001, 0.03, 50)), jnp.asarray(rng.uniform(-1, 1, 50))
    model = in_regime("broad")
    one = density(DileptonKinematics(q2, cosine, Vector(*e)), model, number(-1.0))
    other = density(DileptonKinematics(q2, cosine, Vector(*-e)), model, number(-1.0))
    np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("majorana", [0.0, 1.0])
def test_density_vanishes_outside_its_limits(majorana: float) -> None:
    model = in_regime("contact", m_j=0.1, majorana=majorana)
    q2 = jnp.asarray([0.0, 0.9e-6, 0.0100001, 0.05, 1.0])
    e = Vector(jnp.zeros(5), jnp.zeros(5), jnp.ones(5))
    assert np.all(np.asarray(density(DileptonKinematics(q2, jnp.zeros(5), e), model, number(-1.0))) == 0)


# --- the sampler: weights ------------------------------------------------------


@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize(("m_j", "majorana"), [(0.0, 0.0), (0.1, 1.0)])
def test_weights_are_nearly_equal_in_every_regime(
    name: str, m_j: float, majorana: float, rng: np.random.Generator
) -> None:
    model = in_regime(name, m_j, majorana=majorana)
    decay, weight = draw(model, rng)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(decay))
    assert weight.min() > 0
    assert weight.mean() ** 2 / np.mean(weight**2) > 0.99
    assert weight.max() < 1.15 * weight.mean()
    # a pole on the very end at 1e-9: the width hangs on the rounding of the masses
    assert abs(weight.mean() - float(total_width(model))) < PULL * error_of_mean(weight) + 2e-5 * weight.mean()


@pytest.mark.parametrize("m", [2.001 * MASS_MUON, 0.3, 0.6])
@pytest.mark.parametrize("m_vector", [0.25, 0.5, 3.0])
def test_muons(m: float, m_vector: float, rng: np.random.Generator) -> None:
    model = model_of(m, 0.0, m_vector, 1e-6 * m_vector, MASS_MUON, 0.0)
    _, weight = draw(model, rng)
    assert weight.mean() ** 2 / np.mean(weight**2) > 0.99
    assert abs(weight.mean() - float(total_width(model))) < PULL * error_of_mean(weight) + 1e-6 * weight.mean()


@pytest.mark.parametrize("entry", entries("width")[::7], ids=lambda entry: str(entry["id"]))
def test_mean_weight_is_the_reference_width(entry: dict[str, Any], rng: np.random.Generator) -> None:
    given = entry["inputs"]
    names = ("m_N", "m_j", "m_Zprime", "Gamma_Zprime", "m_e", "d", "g_e")
    numbers = [*(given[name] for name in names), given["HNLtype"] == "majorana"]
    model = DileptonModel(*map(number, numbers))
    _, weight = draw(model, rng)
    error = error_of_mean(weight) / entry["value_GeV"]
    assert error < 1e-3
    assert abs(weight.mean() / entry["value_GeV"] - 1) < PULL * error + 2e-5


@pytest.mark.parametrize("majorana", [0.0, 1.0])
def test_contact_limit(majorana: float, rng: np.random.Generator) -> None:
    """G^2 m^5/(768 pi^3) with G = d g/m_V^2, twice that for Majorana; corrections of order (m/m_V)^2 and (m_l/m)^2."""
    model = model_of(0.2, 0.0, 60.0, 1e-6, 1e-5, majorana)
    _, weight = draw(model, rng)
    strength = float(model.coupling * model.lepton_coupling) / 60.0**2
    assert weight.mean() == pytest.approx((1 + majorana) * strength**2 * 0.2**5 / (768 * np.pi**3), rel=1e-3)


def test_width_is_continuous_where_the_vector_goes_off_shell(rng: np.random.Generator) -> None:
    """Steps of a tenth of the width, from on to off shell: the rate falls by 20 and never jumps."""
    u, axis = uniforms(rng, 2048), tilted(2048)
    m_vector = 0.2 * (1 + 1e-3 * np.arange(-50, 51, 2))
    models = DileptonModel(*(jnp.full(51, x) for x in in_regime("at the end")))
    models = models._replace(m_vector=jnp.asarray(m_vector), width_vector=jnp.asarray(m_vector * 1e-2))
    mean = jax.vmap(lambda model: jnp.mean(sample_dilepton(u, model, number(-1.0), axis)[1]))
    widths = np.asarray(jax.jit(mean)(models))
    np.testing.assert_allclose(widths, np.asarray(total_width(models)), rtol=1e-3)
    steps = np.diff(np.log(widths))
    assert np.all(np.abs(np.diff(steps)) < 0.02)
    assert steps.sum() < -1


@pytest.mark.parametrize(("m", "m_j"), [(0.0009, 0.0), (0.1, 0.09899), (0.05, 0.05), (0.05, 0.07)])
def test_a_closed_decay_has_weight_zero_and_no_nan(m: float, m_j: float, rng: np.random.Generator) -> None:
    model = model_of(m, m_j, 0.03, 1e-9, MASS_ELECTRON, 0.0)
    decay, weight = draw(model, rng)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(decay))
    assert np.all(weight == 0)
    assert all(float(x) == 0 for x in slope_of_weight(model, uniforms(rng, 64)))


@jax.jit
@jax.grad
def slope_of_weight(model: DileptonModel, u: DileptonUniforms) -> jax.Array:
    return jnp.mean(sample_dilepton(u, model, number(-1.0), tilted(64))[1])


def test_any_model_and_the_ends_of_every_uniform(rng: np.random.Generator) -> None:
    """Masses and widths over decades, poles on and within 1e-14 of both thresholds, u = 0 and u = 1 - 2^-53."""
    n, models = 256, 150
    m_lepton = rng.choice([MASS_ELECTRON, MASS_MUON], models)
    m_j = np.where(rng.random(models) < 0.4, 0.0, 10 ** rng.uniform(-4, 1, models))
    m = m_j + 2 * m_lepton + 10 ** rng.uniform(-5, 1, models)
    close = 1 + rng.choice([-1, 0, 1], models) * 10 ** rng.uniform(-14, -1, models)
    anywhere = 10 ** rng.uniform(-4, 3, models)
    m_vector = np.choose(rng.integers(0, 3, models), [anywhere, (m - m_j) * close, 2 * m_lepton * close])
    width = m_vector * 10 ** rng.uniform(-12, 0, models)
    one, majorana = np.ones(models), rng.integers(0, 2, models).astype(float)
    drawn = DileptonModel(*map(jnp.asarray, (m, m_j, m_vector, width, m_lepton, one, one, majorana)))
    points = rng.random((5, n))
    points[0] = (np.arange(n) + points[0]) / n
    points[:, 0], points[:, -1] = 0.0, 1 - 2.0**-53
    u = DileptonUniforms(*map(jnp.asarray, points))

    def log_mean(model: DileptonModel) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        decay, weight = sample_dilepton(u, model, number(-1.0), tilted(n))
        finite = jnp.all(jnp.asarray([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(decay)]))
        mean = jnp.mean(weight)
        return jnp.log(mean), (finite, mean * mean / jnp.mean(weight * weight))

    each = jax.jit(lambda batch: jax.lax.map(jax.value_and_grad(log_mean, has_aux=True), batch))
    (rate, (finite, efficiency)), slope = each(drawn)
    assert np.all(np.isfinite(rate))
    assert np.all(np.asarray(finite))
    assert np.asarray(efficiency).min() > 0.9
    assert all(np.all(np.isfinite(x)) for x in slope)


# --- derivatives and compilation --------------------------------------------------


def changed(log: jax.Array, model: DileptonModel) -> DileptonModel:
    f = jnp.exp(log)
    return model._replace(
        m_vector=model.m_vector * f[0],
        m=model.m * f[1],
        width_vector=model.width_vector * f[2],
        coupling=model.coupling * f[3],
    )


@jax.jit
def log_rate(log: jax.Array, model: DileptonModel, u: DileptonUniforms) -> jax.Array:
    weight = sample_dilepton(u, changed(log, model), number(-1.0), tilted(u.mass.size))[1]
    return jnp.log(jnp.mean(weight))


slope_of_rate = jax.jit(jax.grad(log_rate))


@pytest.mark.parametrize("name", ["narrow", "contact", "above", "below", "broad", "broad at the end"])
@pytest.mark.parametrize(("m_j", "majorana"), [(0.0, 0.0), (0.08, 1.0)])
def test_gradient_of_the_width(name: str, m_j: float, majorana: float, rng: np.random.Generator) -> None:
    """d log Gamma/d log(m_V, m, Gamma_V, d) through the sampler: against differences with the same uniforms, and those
    of the quadrature.
    """
    u, model = uniforms(rng, 4096), in_regime(name, m_j, majorana=majorana)
    gradient = np.asarray(slope_of_rate(jnp.zeros(4), model, u))
    step = 1e-5
    steps = [step * jnp.asarray(row) for row in np.eye(4)]
    difference = np.array([float(log_rate(s, model, u) - log_rate(-s, model, u)) for s in steps]) / (2 * step)
    np.testing.assert_allclose(gradient, difference, rtol=1e-3, atol=1e-3)
    exact = [
        float(jnp.log(total_width(changed(s, model)) / total_width(changed(-s, model)))) / (2 * step) for s in steps
    ]
    np.testing.assert_allclose(gradient, exact, rtol=2e-2, atol=2e-2)
    assert gradient[3] == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("name", ["narrow", "contact", "broad at the end"])
def test_compiled_is_what_runs_eagerly(name: str, rng: np.random.Generator) -> None:
    n = 16_385
    u, axis, model = uniforms(rng, n), tilted(n), in_regime(name, m_j=0.1)
    compiled = sample(u, model, number(1.0), axis)
    eager = sample_dilepton(u, model, number(1.0), axis)
    for ours, theirs in zip(jax.tree.leaves(compiled), jax.tree.leaves(eager), strict=True):
        scale = np.abs(theirs).max()
        # a tail of probability p is the inverse of a sum known to 1e-16/p
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7 * scale)
