"""Observables of a pair against exact arithmetic and against a decay whose angles are known."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.kernels.kinematics import FourVector, Vector, along, boost_from_rest, four
from darkhorn.kernels.visible import pair_observables

M = 0.51099895e-3


def lepton(rng: np.random.Generator, n: int, spread: float) -> FourVector:
    """Electrons of 5 MeV to 2 GeV within about `spread` of the z axis."""
    energy = np.exp(rng.uniform(np.log(5e-3), np.log(2.0), n))
    p = np.sqrt(energy**2 - M**2)
    x, y = spread * rng.normal(size=(2, n))
    norm = np.sqrt(1 + x * x + y * y)
    return FourVector(*map(jnp.asarray, (energy, p * x / norm, p * y / norm, p / norm)))


@pytest.mark.parametrize("spread", [1e-3, 0.1, 10.0])
def test_against_exact_arithmetic(rng: np.random.Generator, spread: float) -> None:
    """Squares and products of the momenta as fractions: no rounding before the last step."""
    em, ep = lepton(rng, 200, spread), lepton(rng, 200, spread)
    found = pair_observables(em, ep, M)
    for i in range(200):
        (e1, *p1), (e2, *p2) = ([Fraction(float(c[i])) for c in p] for p in (em, ep))
        total = [a + b for a, b in zip(p1, p2, strict=True)]
        dot = sum(a * b for a, b in zip(p1, p2, strict=True))
        cross = [p1[j] * p2[k] - p1[k] * p2[j] for j, k in ((1, 2), (2, 0), (0, 1))]
        mass_square = 2 * Fraction(M) ** 2 + 2 * (e1 * e2 - dot)
        across = total[0] ** 2 + total[1] ** 2
        theta = np.arctan2(float(across) ** 0.5, float(total[2]))
        energy = float(e1 + e2)
        assert float(found.energy[i]) == pytest.approx(energy, rel=1e-15)
        assert float(found.backward[i]) == pytest.approx(2 * np.sin(theta / 2) ** 2, rel=1e-12)
        assert float(found.asymmetry[i]) == pytest.approx(float(abs(e1 - e2) / (e1 + e2)), rel=1e-12, abs=1e-15)
        opening = np.arctan2(float(sum(c * c for c in cross)) ** 0.5, float(dot))
        assert float(found.opening[i]) == pytest.approx(opening, rel=1e-9)
        tolerance = 1e-14 * energy**2 / float(mass_square)
        assert float(found.mass[i]) == pytest.approx(float(mass_square) ** 0.5, rel=tolerance)


def test_numpy_and_jax_agree(rng: np.random.Generator) -> None:
    em, ep = lepton(rng, 1000, 0.3), lepton(rng, 1000, 0.3)
    host: Any = [FourVector(*map(np.asarray, p)) for p in (em, ep)]  # type: ignore[arg-type]
    for one, other in zip(pair_observables(em, ep, M), pair_observables(host[0], host[1], M, np), strict=True):
        assert isinstance(other, np.ndarray)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_decay_with_known_angles(rng: np.random.Generator) -> None:
    n, mass = 500, 0.03
    cosine, phi = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    raw = rng.normal(size=(3, n))
    d = Vector(*map(jnp.asarray, raw / np.linalg.norm(raw, axis=0)))
    energy = jnp.asarray(mass * np.exp(rng.uniform(0.01, 4, n)))
    pair = four(energy, d.scale(jnp.sqrt(energy**2 - mass**2)))
    k = np.sqrt(mass**2 / 4 - M**2)
    sine = np.sqrt(1 - cosine**2)
    axis = along(d, *map(jnp.asarray, (k * sine * np.cos(phi), k * sine * np.sin(phi), k * cosine)))
    half = jnp.full(n, mass / 2)
    found = pair_observables(
        boost_from_rest(four(half, axis), pair, jnp.asarray(mass)),
        boost_from_rest(four(half, axis.scale(jnp.asarray(-1.0))), pair, jnp.asarray(mass)),
        M,
    )
    np.testing.assert_allclose(found.mass, mass, rtol=1e-10)
    np.testing.assert_allclose(found.cos_decay, np.abs(cosine), atol=1e-9)
    np.testing.assert_allclose(1 - found.backward, d.z, atol=1e-13)


def test_pair_at_rest_and_gradients_are_finite() -> None:
    def everything(px: jax.Array) -> jax.Array:
        e = jnp.sqrt(px * px + M * M)
        zero = jnp.zeros_like(px)
        found = pair_observables(FourVector(e, px, zero, zero), FourVector(e, -px, zero, zero), M)
        return found.energy + found.backward + found.mass

    p = jnp.asarray(0.02)
    e = jnp.sqrt(p * p + M * M)
    zero = jnp.zeros(())
    rest = pair_observables(FourVector(e, p, zero, zero), FourVector(e, -p, zero, zero), M)
    assert float(rest.backward) == 1.0
    assert float(rest.cos_decay) == 0.0
    assert float(rest.opening) == pytest.approx(np.pi)
    assert np.isfinite(float(jax.grad(everything)(p)))
