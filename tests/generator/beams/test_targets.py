import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.beams.targets import Fin, Rod, hits, share_inside

FIN = Fin(*map(jnp.asarray, (0.32, -0.9, 0.4)))


def test_share_of_a_line_in_a_fin_against_marching(rng: np.random.Generator) -> None:
    n = 200
    first, last = rng.uniform(-1.5, 1.5, (2, 2, n))
    last[:, :40] = first[:, :40]  # lines along the beam
    last[0, 40:60] = first[0, 40:60]
    first[:, 60:80] = rng.uniform(-0.3, 0.3, (2, 20))  # starts inside
    t = (np.arange(20_000) + 0.5) / 20_000
    x, y = first[:, :, None] + t * (last - first)[:, :, None]
    expected = np.mean((np.abs(x) < 0.32) & (y > -0.9) & (y < 0.4), axis=1)
    found = np.asarray(share_inside(FIN, *map(jnp.asarray, (*first, *last))))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert 0 < np.mean(found == 0) < 1
    assert np.any(found == 1)


def test_hits_and_rods(rng: np.random.Generator) -> None:
    x, y = rng.uniform(-1.2, 1.2, (2, 1000))
    np.testing.assert_array_equal(hits(FIN, jnp.asarray(x), jnp.asarray(y)), (abs(x) < 0.32) & (y > -0.9) & (y < 0.4))
    rod = Rod(jnp.asarray(0.5))
    np.testing.assert_array_equal(hits(rod, jnp.asarray(x), jnp.asarray(y)), np.hypot(x, y) < 0.5)
    radial = share_inside(rod, *map(jnp.asarray, (0.1, 0.0, 0.9, 0.0)))
    assert float(radial) == pytest.approx(0.5, rel=1e-12)
