"""The density of the on-shell chain: normalised, positive, and that of the sampler's events."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from goodness import chi2_probability

from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.matrix_elements import neutral_decays
from darkhorn.kernels.matrix_elements.dilepton_decay import dilepton_kinematics
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles

chain_density: Any = neutral_decays.chain_density
sample_chain: Any = neutral_decays.sample_chain

POINTS = {
    "Dirac": (0.106, 0.0, 0.03, 0.000511, -1.0, 0.0, 1.0),
    "flipping, massive": (0.2, 0.1, 0.06, 0.02, 1.0, 0.0, 1.0),
    "Majorana": (0.2, 0.1, 0.06, 0.02, -1.0, 1.0, 1.0),
    "unpolarised": (0.2, 0.05, 0.06, 0.02, -1.0, 0.0, 0.0),
}


@pytest.mark.parametrize("name", POINTS)
def test_its_integral_is_one(name: str) -> None:
    """A polynomial in the lepton's direction: exact rules on the sphere; Gauss-Legendre in the neutrino's cosine."""
    x, w = np.polynomial.legendre.leggauss(60)
    phi = 2 * np.pi * (np.arange(8) + 0.5) / 8
    cosine, z, azimuth = (a.ravel() for a in np.meshgrid(x, x, phi, indexing="ij"))
    weight = np.einsum("i,j,k->ijk", w, w, np.full(8, 2 * np.pi / 8)).ravel() * 2 * np.pi
    sine = np.sqrt(1 - z * z)
    lepton = Vector(*map(jnp.asarray, (sine * np.cos(azimuth), sine * np.sin(azimuth), z)))
    numbers: list[Any] = [jnp.asarray(x) for x in POINTS[name]]
    density = np.asarray(chain_density(*numbers, jnp.asarray(cosine), lepton))
    assert density.min() >= 0.0
    assert weight @ density == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("name", POINTS)
def test_the_sampler_draws_from_it(name: str, rng: np.random.Generator) -> None:
    """The mean of 1/density over bins of the sample is the volume of the bin, whatever the shape."""
    n = 200_000
    numbers: list[Any] = [jnp.asarray(x) for x in POINTS[name]]
    u = ChainAngles(*map(jnp.asarray, rng.uniform(size=(4, n))))
    axis = Vector(jnp.zeros(n), jnp.zeros(n), jnp.ones(n))
    decay = sample_chain(u, *numbers, axis)
    _, cosine, lepton = dilepton_kinematics(decay.neutrino, decay.negative, decay.positive, axis)
    # counts of a flat proposal weighted by the density, against counts of the sample
    c, z = rng.uniform(-1, 1, (2, 2_000_000))
    phi = rng.uniform(0, 2 * np.pi, c.size)
    sine = np.sqrt(1 - z * z)
    flat = Vector(*map(jnp.asarray, (sine * np.cos(phi), sine * np.sin(phi), z)))
    density = np.asarray(chain_density(*numbers, jnp.asarray(c), flat)) * 16 * np.pi**2

    def histogram(cos: np.ndarray, e: Vector, weights: np.ndarray | None) -> np.ndarray:
        edges = [np.linspace(-1, 1, 6), np.linspace(-1, 1, 6), np.linspace(-1, 1, 4)]
        points = np.stack([np.asarray(cos), np.asarray(e.z), np.asarray(e.x)], axis=1)
        found: np.ndarray = np.histogramdd(points, edges, weights=weights)[0].ravel()
        return found

    expected = histogram(c, flat, density) / c.size
    error = float(np.sqrt(histogram(c, flat, density**2)).max() / c.size)
    assert chi2_probability(histogram(np.asarray(cosine), lepton, None), expected, error) > 1e-6
    # power: the other helicity, or for those that do not have one, the other polarisation
    wrong: list[Any] = [*numbers[:4], -numbers[4], numbers[5], 1 - numbers[6]]
    other = np.asarray(chain_density(*wrong, jnp.asarray(c), flat)) * 16 * np.pi**2
    changed = histogram(c, flat, other) / c.size
    assert chi2_probability(histogram(np.asarray(cosine), lepton, None), changed, error) < 1e-6
