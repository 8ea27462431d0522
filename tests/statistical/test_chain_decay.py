"""N -> nu Z' -> nu e+ e- as sampled: reference histograms and moments, conservation, distribution functions, power."""

from typing import Any, NamedTuple

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, PULL, assert_follows, chi2_probability, ks_probability
from numpy.typing import NDArray
from scattering import entries

from darkhorn.kernels.kinematics import FourVector, Vector, boost_from_rest, direction
from darkhorn.kernels.matrix_elements.neutral_decays import (
    ChainAngles,
    ChainDecay,
    chain_density_terms,
    neutrino_slope,
    sample_chain,
)
from darkhorn.kernels.trigonometry import sincos2pi

Real = NDArray[np.float64]
ENTRIES = entries("chain")
EVENTS = 100_000
# absolute errors per bin stated in chain.json
BIN_ERROR = {"asym": 1e-6, "theta_pair_deg": 1e-4, "Eee_over_EN": 1e-4, "open_deg": 1e-4}
MOMENTS = {
    "mean_asym": ("asym", 1),
    "mean_asym2": ("asym", 2),
    "mean_Eee_over_EN": ("Eee_over_EN", 1),
    "mean_theta_pair_deg": ("theta_pair_deg", 1),
    "mean_cos_pair": ("cos_pair", 1),
    "mean_open_deg": ("open_deg", 1),
    "mean_minE_over_Eee": ("min_share", 1),
    "mean_cos_pair_restframe": ("cos_pair_rest", 1),
}
sample = jax.jit(sample_chain)


class Numbers(NamedTuple):
    """Parameters of `sample_chain` but for the uniforms and the axis; scalars."""

    m: float
    m_j: float
    m_vector: float
    m_lepton: float
    helicity: float
    majorana: float

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "Numbers":
        inputs = entry["inputs"]
        majorana = float(inputs["HNLtype"] == "majorana")
        helicity = float(inputs["helicity"] or 1.0)  # of a Majorana N it must not matter
        return cls(inputs["m_N"], inputs["m_j"], inputs["m_Zprime"], inputs["m_e"], helicity, majorana)

    def arrays(self) -> tuple[jax.Array, ...]:
        return tuple(jnp.asarray(x, jnp.float64) for x in self)


def decays(numbers: Numbers, rng: np.random.Generator, axis: Vector, polarised: float, n: int = EVENTS) -> ChainDecay:
    u = ChainAngles(*(jnp.asarray(row) for row in rng.random((4, n))))
    m, m_j, m_vector, m_lepton, helicity, majorana = numbers.arrays()
    on = jnp.asarray(polarised, jnp.float64)
    decay: ChainDecay = sample(u, m, m_j, m_vector, m_lepton, helicity, majorana, on, axis)
    return decay


def along_z(n: int = EVENTS) -> Vector:
    return Vector(jnp.zeros(n), jnp.zeros(n), jnp.ones(n))


@jax.jit
def in_the_lab(decay: ChainDecay, parent: FourVector) -> dict[str, jax.Array]:
    """Observables of the pair for a parent that flies along z."""
    m = jnp.sqrt(parent.e * parent.e - parent.z * parent.z)
    negative, positive = (boost_from_rest(p, parent, m) for p in (decay.negative, decay.positive))
    pair = negative.plus(positive)
    cos_pair = pair.z / pair.p.norm()
    opening = negative.p.dot(positive.p) / (negative.p.norm() * positive.p.norm())
    asymmetry = jnp.abs(negative.e - positive.e) / pair.e

    def degrees(cosine: jax.Array) -> jax.Array:
        return jnp.arccos(jnp.clip(cosine, -1.0, 1.0)) * (180 / np.pi)

    return {
        "asym": asymmetry,
        "theta_pair_deg": degrees(cos_pair),
        "Eee_over_EN": pair.e / parent.e,
        "open_deg": degrees(opening),
        "cos_pair": cos_pair,
        "min_share": jnp.minimum(negative.e, positive.e) / pair.e,
        "cos_pair_rest": -decay.cos_neutrino,
    }


def observables(entry: dict[str, Any], rng: np.random.Generator, polarised: float) -> dict[str, Real]:
    inputs = entry["inputs"]
    energy, m = inputs["E_N"], inputs["m_N"]
    momentum = np.sqrt((energy - m) * (energy + m))
    parent = FourVector(*(jnp.full(EVENTS, x) for x in (energy, 0.0, 0.0, momentum)))
    decay = decays(Numbers.of(entry), rng, along_z(), polarised)
    return {name: np.asarray(row) for name, row in in_the_lab(decay, parent).items()}


def histogram_probability(sample: Real, histogram: dict[str, Any], content: str, error: float) -> float:
    edges = np.array(histogram["edges"])
    # a quantity on an edge (E_ee = E_N / 2 at rest) may fall to either side
    counts, _ = np.histogram(np.clip(sample, edges[0], edges[-1]) * (1 + 1e-12), edges)
    return chi2_probability(counts, histogram[content], error)


@pytest.mark.parametrize("polarised", [True, False], ids=["polarised", "isotropic"])
@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_histograms_and_moments(entry: dict[str, Any], polarised: bool, rng: np.random.Generator) -> None:
    found = observables(entry, rng, float(polarised))
    content = "content" if polarised else "content_isotropic_Zprime"
    for name, histogram in entry["histograms"].items():
        probability = histogram_probability(found[name], histogram, content, BIN_ERROR[name])
        assert probability > ALPHA, f"{name}: chi2 p = {probability:.1e}"
    moments = entry["moments" if polarised else "moments_if_Zprime_decays_isotropically"]
    for key, (name, power) in MOMENTS.items():
        if key not in moments:
            continue
        row = found[name] ** power
        error = np.std(row) / np.sqrt(EVENTS) + 1e-4 * abs(moments[key]) * ("deg" in key) + 1e-7
        assert abs(np.mean(row) - moments[key]) < PULL * error, key
    share = np.mean(found["asym"] > 0.8)
    expected = moments["frac_asym_gt_0p8"]
    assert abs(share - expected) < PULL * np.sqrt(expected * (1 - expected) / EVENTS) + 20 / EVENTS


@pytest.mark.parametrize("entry", ENTRIES[::3], ids=[entry["id"] for entry in ENTRIES[::3]])
def test_the_histograms_reject_an_isotropic_vector(entry: dict[str, Any], rng: np.random.Generator) -> None:
    """With the polarisation dropped the asymmetry of the pair is seen to be wrong: the test above has power."""
    found = observables(entry, rng, 0.0)
    assert histogram_probability(found["asym"], entry["histograms"]["asym"], "content", BIN_ERROR["asym"]) < ALPHA


# --- exact properties of every event -----------------------------------------

POINTS = {
    "light": Numbers(0.106, 0.0, 0.03, 0.000511, -1.0, 0.0),
    "flipped": Numbers(0.106, 0.0, 0.03, 0.000511, 1.0, 0.0),
    "massive daughter": Numbers(0.2, 0.1, 0.06, 0.000511, 1.0, 0.0),
    "heavy leptons": Numbers(0.5, 0.1, 0.25, 0.10566, -1.0, 0.0),
    "near threshold": Numbers(0.2, 0.1, 0.0999, 0.000511, -1.0, 0.0),
    "slow leptons": Numbers(0.5, 0.0, 0.2114, 0.10566, 1.0, 0.0),
    "majorana": Numbers(0.2, 0.1, 0.06, 0.02, -1.0, 1.0),
}
every_point = pytest.mark.parametrize("numbers", POINTS.values(), ids=POINTS.keys())


def random_axis(rng: np.random.Generator, n: int) -> Vector:
    sine, cosine = sincos2pi(jnp.asarray(rng.random(n)))
    axis = direction(jnp.asarray(rng.uniform(-1, 1, n)), sine, cosine)
    # the poles too, where the transverse axes change their definition
    return Vector(
        axis.x.at[:2].set(0.0), axis.y.at[:2].set(0.0), axis.z.at[:2].set(jnp.asarray([1.0, -1.0], jnp.float64))
    )


def matrix(p: FourVector) -> Real:
    return np.stack([np.asarray(x) for x in p], axis=-1)


@every_point
def test_momentum_and_mass_shells(numbers: Numbers, rng: np.random.Generator) -> None:
    n = 20_000
    decay = decays(numbers, rng, random_axis(rng, n), 1.0, n)
    neutrino, negative, positive = map(matrix, (decay.neutrino, decay.negative, decay.positive))
    parent = np.array([numbers.m, 0, 0, 0])
    np.testing.assert_allclose(neutrino + negative + positive, np.tile(parent, (n, 1)), atol=1e-13 * numbers.m)
    for p, mass in ((neutrino, numbers.m_j), (negative, numbers.m_lepton), (positive, numbers.m_lepton)):
        np.testing.assert_allclose(dirac.dot(p, p), mass**2, rtol=1e-10, atol=1e-14 * numbers.m**2)
    pair = negative + positive
    np.testing.assert_allclose(dirac.dot(pair, pair), numbers.m_vector**2, rtol=1e-10)


def coordinates(decay: ChainDecay, axis: Vector, numbers: Numbers) -> tuple[Real, Real, Real]:
    """Cosine of the neutrino to the axis; cos*, phi* of l- in the frame of the vector; from the four-vectors alone."""
    neutrino, negative, positive = map(matrix, (decay.neutrino, decay.negative, decay.positive))
    pair = negative + positive
    z = neutrino[:, 1:] / np.linalg.norm(neutrino[:, 1:], axis=1, keepdims=True)
    s = np.stack([np.asarray(x) for x in axis], axis=-1)
    cosine = np.sum(z * s, axis=1)
    x = s - cosine[:, None] * z
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.cross(z, x)
    gamma = pair[:, 0] / numbers.m_vector
    beta_gamma = -np.sum(pair[:, 1:] * z, axis=1) / numbers.m_vector  # the vector flies against z
    along = gamma * np.sum(negative[:, 1:] * z, axis=1) + beta_gamma * negative[:, 0]
    ex, ey = np.sum(negative[:, 1:] * x, axis=1), np.sum(negative[:, 1:] * y, axis=1)
    length = np.sqrt(numbers.m_vector**2 / 4 - numbers.m_lepton**2)
    return cosine, np.clip(along / length, -1, 1), np.arctan2(ey, ex)


def probability_integrals(numbers: Numbers, cosine: Real, mu: Real, phi: Real) -> dict[str, Real]:
    """Distribution functions of the three angles, each given the ones before: uniform, independent for true events."""
    m, m_j, m_vector, m_lepton, helicity, majorana = numbers.arrays()
    slope = float(neutrino_slope(m, m_j, m_vector, helicity)) * (1 - numbers.majorana)
    first = (1 + cosine) / 2 + slope * (cosine**2 - 1) / 4
    terms = chain_density_terms(m, m_j, m_vector, m_lepton, helicity, majorana, jnp.asarray(cosine))
    a, b, cos_alpha, sin_alpha = map(np.asarray, terms)
    # integrated over phi: A - B cos(alpha) mu^2
    second = (a * (mu + 1) - b * cos_alpha * (mu**3 + 1) / 3) / (2 * a - 2 * b * cos_alpha / 3)
    # at fixed mu: A - B cos(alpha) mu^2 - B sin(alpha) mu sqrt(1 - mu^2) cos(phi)
    flat, wave = a - b * cos_alpha * mu**2, b * sin_alpha * mu * np.sqrt(1 - mu**2)
    third = (phi + np.pi) / (2 * np.pi) - wave * np.sin(phi) / (2 * np.pi * flat)
    return {"neutrino": first, "lepton polar": second, "lepton azimuth": third}


@every_point
def test_angles_follow_the_density(numbers: Numbers, rng: np.random.Generator) -> None:
    axis = random_axis(rng, EVENTS)
    decay = decays(numbers, rng, axis, 1.0)
    cosine, mu, phi = coordinates(decay, axis, numbers)
    np.testing.assert_allclose(cosine, np.asarray(decay.cos_neutrino), atol=1e-9)
    integrals = probability_integrals(numbers, cosine, mu, phi)
    for name, row in integrals.items():
        assert_follows(row, label=name)
    rows = np.array(list(integrals.values()))
    correlation = np.corrcoef(rows)[np.triu_indices(3, 1)]
    assert np.all(np.abs(correlation) < PULL / np.sqrt(EVENTS))


def test_those_distribution_functions_have_power(rng: np.random.Generator) -> None:
    """They reject an isotropic vector in both lepton angles, and the wrong helicity in all three."""
    numbers = Numbers(0.106, 0.0, 0.06, 0.000511, -1.0, 0.0)
    axis = random_axis(rng, EVENTS)
    isotropic = coordinates(decays(numbers, rng, axis, 0.0), axis, numbers)
    integrals = probability_integrals(numbers, *isotropic)
    assert ks_probability(integrals["lepton polar"]) < ALPHA
    assert ks_probability(integrals["lepton azimuth"]) < ALPHA
    numbers = numbers._replace(m_vector=0.03)
    angles = coordinates(decays(numbers, rng, axis, 1.0), axis, numbers)
    wrong = probability_integrals(numbers._replace(helicity=1.0), *angles)
    for name, row in wrong.items():
        assert ks_probability(row) < ALPHA, name


def test_the_four_vectors_carry_the_squared_amplitude(rng: np.random.Generator) -> None:
    """Flat phase space weighted by explicit Dirac matrices on the four-vectors has the moments of the sample."""
    numbers = Numbers(0.2, 0.06, 0.1, 0.02, -1.0, 0.0)
    n = 40_000
    axis = random_axis(rng, n)
    flat = decays(numbers._replace(majorana=1.0), rng, axis, 0.0, n)  # isotropic neutrino, isotropic leptons
    neutrino, negative, positive = map(matrix, (flat.neutrino, flat.negative, flat.positive))
    spin = np.stack([np.zeros(n), *(numbers.helicity * np.asarray(x) for x in axis)], axis=-1)
    parent = np.tile(np.array([numbers.m, 0.0, 0.0, 0.0]), (n, 1))
    heavy = dirac.tensor(
        dirac.density(neutrino, numbers.m_j), dirac.GAMMA @ dirac.LEFT, dirac.density(parent, numbers.m, spin)
    )
    pair = dirac.tensor(
        dirac.density(negative, numbers.m_lepton),
        dirac.GAMMA,
        dirac.density(positive, numbers.m_lepton, antiparticle=True),
    )
    weight = dirac.contract(heavy, pair)
    weight /= np.mean(weight)
    sampled = coordinates(decays(numbers, rng, axis, 1.0, n), axis, numbers)

    def moments(cosine: Real, mu: Real, phi: Real) -> Real:
        sine, flat = np.sqrt(1 - cosine**2), np.sqrt(1 - mu**2)
        rows = [cosine, mu**2, cosine * mu**2, sine * flat * mu * np.cos(phi), flat**2 * np.cos(2 * phi), mu * cosine]
        return np.array(rows)

    ours, theirs = moments(*sampled), weight * moments(*coordinates(flat, axis, numbers))
    error = np.sqrt((np.var(ours, axis=1) + np.var(theirs, axis=1)) / n)
    assert np.all(np.abs(np.mean(ours, axis=1) - np.mean(theirs, axis=1)) < PULL * error)
    assert abs(np.mean(ours[3])) > 10 * error[3]  # the azimuthal correlation is there to be seen


def test_a_majorana_parent_is_isotropic_whatever_its_helicity(rng: np.random.Generator) -> None:
    numbers = POINTS["majorana"]
    decay = decays(numbers, rng, along_z(), 1.0)
    assert_follows((np.asarray(decay.cos_neutrino) + 1) / 2)
    lepton = matrix(decay.negative)
    assert_follows((lepton[:, 3] / np.linalg.norm(lepton[:, 1:], axis=1) + 1) / 2)
    seed = 7
    one, other = (
        matrix(decays(numbers._replace(helicity=h), np.random.default_rng(seed), along_z(), 1.0).negative)
        for h in (-1.0, 1.0)
    )
    np.testing.assert_array_equal(one, other)


def test_flipping_the_helicity_mirrors_the_decay(rng: np.random.Generator) -> None:
    """Helicity -1 about an axis is helicity +1 about the opposite axis: the density knows only their product."""
    numbers = POINTS["massive daughter"]
    axis = random_axis(rng, EVENTS)
    decay = decays(numbers, rng, axis, 1.0)
    opposite = axis.scale(jnp.full(EVENTS, -1.0))
    mirrored = numbers._replace(helicity=-numbers.helicity)
    for row in probability_integrals(mirrored, *coordinates(decay, opposite, numbers)).values():
        assert_follows(row)


def test_conserving_neutrinos_fly_forward(rng: np.random.Generator) -> None:
    """h = -1, light Z': the density of the neutrino is (1 + a c)/2 with a = (1 - 2x)/(1 + 2x), x = m_Z'^2/m^2."""
    numbers = POINTS["light"]
    x = (0.03 / 0.106) ** 2
    decay = decays(numbers, rng, along_z(), 1.0)
    cosine = np.asarray(decay.cos_neutrino)
    slope = (1 - 2 * x) / (1 + 2 * x)
    assert_follows(cosine, lambda c: (1 + c) / 2 + slope * (c**2 - 1) / 4)
    assert ks_probability(cosine, lambda c: (1 + c) / 2 + 0.96 * slope * (c**2 - 1) / 4) < ALPHA
