"""N -> nu_j l l through a vector of any mass: matrices, limits, sampler against its density and against references."""

import json
from pathlib import Path
from typing import Any

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, PULL
from numpy.typing import NDArray
from scipy import stats

from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON
from darkhorn.kernels.kinematics import FourVector, Vector
from darkhorn.kernels.matrix_elements.dilepton_decay import (
    DileptonDecay,
    DileptonKinematics,
    DileptonModel,
    DileptonUniforms,
    dilepton_density,
    dilepton_kinematics,
    dilepton_spectrum,
    sample_dilepton,
)
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles, sample_chain, width_off_shell

Real = NDArray[np.float64]
REFERENCE = Path(__file__).resolve().parents[2] / "reference"
EVENTS = 16_384
# name: (m_V relative to m - m_j, Gamma_V/m_V); a vector of 10^-2 (m - m_j) lies below the threshold of the leptons
REGIMES = {
    "narrow": (0.5, 1e-9),
    "very narrow": (0.5, 1e-13),
    "contact": (20.0, 1e-9),
    "very heavy": (2e4, 1e-3),
    "above": (1.05, 1e-9),
    "just above": (1 + 1e-6, 1e-9),
    "at the end": (1.0, 1e-9),
    "just below": (1 - 1e-6, 1e-9),
    "below": (0.95, 1e-9),
    "broad": (0.5, 0.1),
    "broad at the end": (1.0, 0.1),
    "broad above": (1.3, 0.1),
    "light": (0.01, 1e-9),
}
sample, total_width = jax.jit(sample_dilepton), jax.jit(lambda model: width_off_shell(*model))
density, spectrum, kinematics = jax.jit(dilepton_density), jax.jit(dilepton_spectrum), jax.jit(dilepton_kinematics)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def model_of(m: float, m_j: float, m_vector: float, width: float, m_lepton: float, majorana: float) -> DileptonModel:
    return DileptonModel(*map(number, (m, m_j, m_vector, width, m_lepton, 0.7, 3e-4, majorana)))


def in_regime(name: str, m_j: float = 0.0, m_lepton: float = MASS_ELECTRON, majorana: float = 0.0) -> DileptonModel:
    ratio, width = REGIMES[name]
    m = 0.2
    return model_of(m, m_j, ratio * (m - m_j), ratio * (m - m_j) * width, m_lepton, majorana)


def reference(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))["entries"]
    return entries


def uniforms(rng: np.random.Generator, n: int = EVENTS) -> DileptonUniforms:
    return DileptonUniforms(*map(jnp.asarray, rng.random((5, n))))


def tilted(n: int) -> Vector:
    """A spin axis along none of the coordinate axes."""
    return Vector(*(jnp.full(n, x) for x in (0.48, -0.6, 0.64)))


def array(p: FourVector) -> Real:
    return np.stack([np.asarray(x) for x in p], axis=-1)


def draw(
    model: DileptonModel, rng: np.random.Generator, helicity: float = -1.0, n: int = EVENTS
) -> tuple[DileptonDecay, Real]:
    decay, weight = sample(uniforms(rng, n), model, number(helicity), tilted(n))
    return decay, np.asarray(weight)


def error_of_mean(x: Real) -> float:
    return float(np.std(x) / np.sqrt(x.size))


# --- the density against explicit matrices ------------------------------------


def boosted(p: Real, frame: Real, mass: Real) -> Real:
    """From the rest frame of `frame` to the frame in which it is given."""
    u, g = frame[:, 1:] / mass[:, None], frame[:, 0] / mass
    along = np.sum(u * p[:, 1:], axis=1)
    return np.concatenate(
        [(g * p[:, 0] + along)[:, None], p[:, 1:] + u * (along / (1 + g) + p[:, 0])[:, None]], axis=1
    )


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


@pytest.mark.parametrize("entry", reference("width")[::7], ids=lambda entry: str(entry["id"]))
def test_mean_weight_is_the_reference_width(entry: dict[str, Any], rng: np.random.Generator) -> None:
    given = entry["inputs"]
    names = ("m_N", "m_j", "m_Zprime", "Gamma_Zprime", "m_e", "d", "g_e")
    model = DileptonModel(*(number(given[name]) for name in names), number(given["HNLtype"] == "majorana"))
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
    def mean(log_m: jax.Array) -> jax.Array:
        model = model_of(m, m_j, 0.03, 1e-9, MASS_ELECTRON, 0.0)._replace(m=jnp.exp(log_m))
        decay, weight = sample_dilepton(u, model, number(-1.0), tilted(64))
        finite = jnp.all(jnp.asarray([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(decay)]))
        return jnp.where(finite, jnp.mean(weight), jnp.nan)

    u = uniforms(rng, 64)
    assert jax.value_and_grad(mean)(jnp.log(number(m))) == (0.0, 0.0)


# --- the sampler: distributions -------------------------------------------------


@pytest.mark.parametrize("name", ["contact", "broad", "broad at the end", "above", "below"])
def test_q2_follows_its_spectrum(name: str, rng: np.random.Generator) -> None:
    """Weighted sums in cells of q^2 against quadrature of the spectrum."""
    model = in_regime(name, m_j=0.05)
    decay, weight = draw(model, rng, n=65_536)
    x, w = np.polynomial.legendre.leggauss(400)
    edges = np.quantile(np.asarray(decay.q2), np.linspace(0, 1, 21))
    edges[0], edges[-1] = 4 * MASS_ELECTRON**2, (0.2 - 0.05) ** 2
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        # nodes squeezed towards both ends, for the square roots of the thresholds
        t = (x + 1) / 2
        q2 = low + (high - low) * t * t * (3 - 2 * t)
        expected = np.sum(w / 2 * 6 * t * (1 - t) * (high - low) * np.asarray(spectrum(jnp.asarray(q2), model)))
        inside = weight * ((np.asarray(decay.q2) >= low) & (np.asarray(decay.q2) < high))
        assert abs(inside.mean() - expected) < PULL * error_of_mean(inside)


@pytest.mark.parametrize("majorana", [0.0, 1.0])
def test_on_shell_limit_is_the_chain(majorana: float, rng: np.random.Generator) -> None:
    """Pole far inside, Gamma/m = 1e-9: the same uniforms give the events of the on-shell chain."""
    model = in_regime("narrow", m_j=0.03, majorana=majorana)
    u, axis = uniforms(rng), tilted(EVENTS)
    decay, _ = sample(u, model, number(-1.0), axis)
    one = number(1.0)
    chain = jax.jit(sample_chain)(
        ChainAngles(*u[1:]), model.m, model.m_j, model.m_vector, model.m_lepton, -one, model.majorana, one, axis
    )
    near = np.abs(np.asarray(decay.offset)) < 1e-5 * float(model.m_vector) ** 2
    assert near.mean() > 0.999
    for ours, theirs in zip(decay[:3], chain[:3], strict=True):
        difference = np.abs(array(ours) - array(theirs)).max(axis=1)
        assert np.quantile(difference, 0.999) < 1e-5
    # and as distributions, from other uniforms: the asymmetry of the energies and the angle of the pair
    other, weight = draw(model, rng, n=4 * EVENTS)
    for read in (asymmetry, lambda decay: np.asarray(decay.cos_neutrino)):
        edges = np.quantile(read(chain), np.linspace(0, 1, 26))
        edges[0], edges[-1] = -np.inf, np.inf
        first = np.histogram(read(chain), edges)[0] / EVENTS
        second = np.histogram(read(other), edges, weights=weight)[0] / weight.sum()
        chi2 = np.sum((first - second) ** 2 / (first / EVENTS + second / (4 * EVENTS)))
        assert stats.chi2.sf(chi2, 24) > ALPHA


def asymmetry(decay: Any) -> Real:
    minus, plus = np.asarray(decay.negative.e), np.asarray(decay.positive.e)
    difference: Real = np.abs(minus - plus) / (minus + plus)
    return difference


@pytest.mark.parametrize("entry", reference("dark_neutrino_offshell"), ids=lambda entry: str(entry["id"]))
def test_distributions_of_an_independent_generator(entry: dict[str, Any], rng: np.random.Generator) -> None:
    m, m_j = {"P2_heavy31": (0.14, 0.0), "P3_heavy32": (0.2, 0.1)}[entry["point"]]
    model = model_of(m, m_j, 1.25, 1e-7, MASS_ELECTRON, float(entry["HNLtype"] == "majorana"))
    decay, weight = draw(model, rng, n=200_000)
    values = {"m_ee_over_mparent": np.sqrt(decay.q2) / m, "cos_rest_daughter": np.asarray(decay.cos_neutrino)}
    for name, value in values.items():
        histogram = entry["histograms"][name]
        counts = np.histogram(value, histogram["edges"], weights=weight)[0] / weight.sum()
        expected, error = np.array(histogram["content"]), np.array(histogram["error"])
        filled = expected > 0
        assert counts[~filled].sum() == 0
        variance = error[filled] ** 2 + counts[filled] / 200_000
        chi2 = float(np.sum((counts - expected)[filled] ** 2 / variance))
        assert stats.chi2.sf(chi2, int(filled.sum()) - 1) > ALPHA, name


def test_reweighting_goes_to_another_model_and_helicity(rng: np.random.Generator) -> None:
    """The density at the stored momenta turns a Dirac sample of h = -1 into others: rates and correlations."""
    axis, n = tilted(65_536), 65_536
    model = in_regime("broad above", m_j=0.05)
    decay, weight = draw(model, rng, -1.0, n)
    point = kinematics(decay.neutrino, decay.negative, decay.positive, axis)
    np.testing.assert_allclose(point.q2, decay.q2, rtol=1e-8)
    np.testing.assert_allclose(point.cos_neutrino, decay.cos_neutrino, atol=1e-12)

    def moments(decay: DileptonDecay) -> Real:
        at = kinematics(decay.neutrino, decay.negative, decay.positive, axis)
        e, c, x = at.lepton, at.cos_neutrino, at.q2 / float(model.m) ** 2
        return np.stack([np.ones(n), x, c, e.z * e.z, e.x * e.x, c * e.z * e.z, e.x * e.z, e.x * e.z * c, x * c])

    for helicity, target in (
        (1.0, model),
        (0.0, model),
        (-1.0, model._replace(majorana=number(1.0))),
        (1.0, model._replace(m_vector=number(0.12), width_vector=number(0.03))),
        (-1.0, model._replace(coupling=number(0.1))),
    ):
        ratio = np.asarray(density(point, target, number(helicity)) / density(point, model, number(-1.0)))
        ours = moments(decay) * weight * ratio
        direct, direct_weight = draw(target, rng, helicity, n)
        theirs = moments(direct) * direct_weight
        error = np.hypot(np.std(ours, axis=1), np.std(theirs, axis=1)) / np.sqrt(n)
        assert np.all(np.abs(ours.mean(axis=1) - theirs.mean(axis=1)) < PULL * error + 1e-6 * theirs[0].mean())


@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize(("m_j", "m_lepton"), [(0.0, MASS_ELECTRON), (0.1, MASS_ELECTRON), (0.05, 0.06)])
def test_four_momentum_and_mass_shells(name: str, m_j: float, m_lepton: float, rng: np.random.Generator) -> None:
    decay, _ = draw(in_regime(name, m_j, m_lepton), rng, n=EVENTS)
    neutrino, negative, positive = map(array, decay[:3])
    total = neutrino + negative + positive
    np.testing.assert_allclose(total, np.broadcast_to([0.2, 0.0, 0.0, 0.0], total.shape), atol=0.2e-10)
    for p, mass in ((neutrino, m_j), (negative, m_lepton), (positive, m_lepton)):
        assert np.all(np.abs(dirac.dot(p, p) - mass**2) < 1e-10 * p[:, 0] ** 2)
    pair = negative + positive
    assert np.all(np.abs(dirac.dot(pair, pair) - np.asarray(decay.q2)) < 1e-10 * pair[:, 0] ** 2)


# --- derivatives and compilation --------------------------------------------------


@pytest.mark.parametrize("name", ["narrow", "contact", "above", "below", "broad", "broad at the end"])
@pytest.mark.parametrize(("m_j", "majorana"), [(0.0, 0.0), (0.08, 1.0)])
def test_gradient_of_the_width(name: str, m_j: float, majorana: float, rng: np.random.Generator) -> None:
    """d log Gamma/d log(m_V, m, Gamma_V, d) through the sampler: against differences with the same uniforms, and those
    of the quadrature.
    """
    u, axis = uniforms(rng, 4096), tilted(4096)
    model = in_regime(name, m_j, majorana=majorana)

    def changed(log: jax.Array) -> DileptonModel:
        f = jnp.exp(log)
        return model._replace(
            m_vector=model.m_vector * f[0],
            m=model.m * f[1],
            width_vector=model.width_vector * f[2],
            coupling=model.coupling * f[3],
        )

    @jax.jit
    def sampled(log: jax.Array) -> jax.Array:
        return jnp.log(jnp.mean(sample_dilepton(u, changed(log), number(-1.0), axis)[1]))

    gradient = np.asarray(jax.jit(jax.grad(sampled))(jnp.zeros(4)))
    step = 1e-5
    steps = [step * jnp.asarray(row) for row in np.eye(4)]
    difference = np.array([float(sampled(s) - sampled(-s)) for s in steps]) / (2 * step)
    np.testing.assert_allclose(gradient, difference, rtol=1e-3, atol=1e-3)
    exact = [
        float(jnp.log(total_width(changed(s))) - jnp.log(total_width(changed(-s)))) / (2 * step) for s in steps
    ]
    np.testing.assert_allclose(gradient, exact, rtol=2e-2, atol=2e-2)
    assert gradient[3] == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("name", ["narrow", "contact", "at the end"])
def test_compiled_is_what_runs_eagerly(name: str, rng: np.random.Generator) -> None:
    n = 16_385
    u, axis, model = uniforms(rng, n), tilted(n), in_regime(name, m_j=0.1)
    compiled = sample(u, model, number(1.0), axis)
    eager = sample_dilepton(u, model, number(1.0), axis)
    for ours, theirs in zip(jax.tree.leaves(compiled), jax.tree.leaves(eager), strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale)
