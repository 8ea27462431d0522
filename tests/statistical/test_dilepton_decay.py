"""N -> nu_j l l as sampled: spectrum, the on-shell chain, an independent generator, reweighting, conservation."""

from itertools import pairwise
from typing import Any

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dilepton import (
    EVENTS,
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
    spectrum,
    tilted,
    uniforms,
)
from goodness import ALPHA, PULL
from numpy.typing import NDArray
from scipy import stats

from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.kinematics import FourVector
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonDecay
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles, sample_chain

Real = NDArray[np.float64]


def array(p: FourVector) -> Real:
    return np.stack([np.asarray(x) for x in p], axis=-1)


@pytest.mark.parametrize("name", ["contact", "broad", "broad at the end", "above", "below"])
def test_q2_follows_its_spectrum(name: str, rng: np.random.Generator) -> None:
    """Weighted sums in cells of q^2 against quadrature of the spectrum."""
    model = in_regime(name, m_j=0.05)
    decay, weight = draw(model, rng)
    x, w = np.polynomial.legendre.leggauss(400)
    edges = np.quantile(np.asarray(decay.q2), np.linspace(0, 1, 21))
    edges[0], edges[-1] = 4 * MASS_ELECTRON**2, (0.2 - 0.05) ** 2
    for low, high in pairwise(edges):
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
    other, weight = draw(model, rng)
    for read in (asymmetry, lambda decay: np.asarray(decay.cos_neutrino)):
        edges = np.quantile(read(chain), np.linspace(0, 1, 26))
        edges[0], edges[-1] = -np.inf, np.inf
        first = np.histogram(read(chain), edges)[0] / EVENTS
        second = np.histogram(read(other), edges, weights=weight)[0] / weight.sum()
        chi2 = np.sum((first - second) ** 2 / (first / EVENTS + second / EVENTS))
        assert stats.chi2.sf(chi2, 24) > ALPHA


def asymmetry(decay: Any) -> Real:
    minus, plus = np.asarray(decay.negative.e), np.asarray(decay.positive.e)
    difference: Real = np.abs(minus - plus) / (minus + plus)
    return difference


@pytest.mark.parametrize("entry", entries("dark_neutrino_offshell"), ids=lambda entry: str(entry["id"]))
def test_distributions_of_an_independent_generator(entry: dict[str, Any], rng: np.random.Generator) -> None:
    m, m_j = {"P2_heavy31": (0.14, 0.0), "P3_heavy32": (0.2, 0.1)}[entry["point"]]
    model = model_of(m, m_j, 1.25, 1e-7, MASS_ELECTRON, float(entry["HNLtype"] == "majorana"))
    decay, weight = draw(model, rng, n=4 * EVENTS)
    values = {"m_ee_over_mparent": np.sqrt(decay.q2) / m, "cos_rest_daughter": np.asarray(decay.cos_neutrino)}
    for name, value in values.items():
        histogram = entry["histograms"][name]
        counts = np.histogram(value, histogram["edges"], weights=weight)[0] / weight.sum()
        expected, error = np.array(histogram["content"]), np.array(histogram["error"])
        filled = expected > 0
        assert counts[~filled].sum() == 0
        variance = error[filled] ** 2 + counts[filled] / (4 * EVENTS)
        chi2 = float(np.sum((counts - expected)[filled] ** 2 / variance))
        assert stats.chi2.sf(chi2, int(filled.sum()) - 1) > ALPHA, name


def test_reweighting_goes_to_another_model_and_helicity(rng: np.random.Generator) -> None:
    """The density at the stored momenta turns a Dirac sample of h = -1 into others: rates and correlations."""
    axis, n = tilted(EVENTS), EVENTS
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
    decay, _ = draw(in_regime(name, m_j, m_lepton), rng)
    neutrino, negative, positive = map(array, decay[:3])
    total = neutrino + negative + positive
    np.testing.assert_allclose(total, np.broadcast_to([0.2, 0.0, 0.0, 0.0], total.shape), atol=0.2e-10)
    for p, mass in ((neutrino, m_j), (negative, m_lepton), (positive, m_lepton)):
        assert np.all(np.abs(dirac.dot(p, p) - mass**2) < 1e-10 * p[:, 0] ** 2)
    pair = negative + positive
    assert np.all(np.abs(dirac.dot(pair, pair) - np.asarray(decay.q2)) < 1e-10 * pair[:, 0] ** 2)
