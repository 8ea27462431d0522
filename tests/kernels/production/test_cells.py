import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, PULL, chi2_probability
from numpy.typing import NDArray

from darkhorn.fluxes.hadron_production import BERYLLIUM
from darkhorn.kernels.production.cells import Cells, equal_cells, sample_cells
from darkhorn.kernels.production.sanford_wang import SanfordWang, sanford_wang

Real = NDArray[np.float64]
N = 400_000
TOP, WIDEST, BEAM = 7.889, 1.2, 8.889
P_EDGES, ANGLE_EDGES = (
    np.array([0.0, 0.3, 0.8, 1.5, 2.5, 4.0, 6.0, TOP]),
    np.array([0.0, 0.05, 0.12, 0.25, 0.6, WIDEST]),
)


def nominal() -> SanfordWang:
    c = BERYLLIUM[211].density
    assert isinstance(c, SanfordWang)
    return c


COEFFICIENTS = nominal()


@jax.jit
def yields(p: jax.Array, theta: jax.Array, c: SanfordWang) -> jax.Array:
    """Pions per GeV/c and rad, in mb."""
    return 2 * jnp.pi * jnp.sin(theta) * sanford_wang(p, theta, jnp.asarray(BEAM), c)


draw = jax.jit(sample_cells)


def centres(low: float, high: float, n: int) -> tuple[Real, Real]:
    edges = np.linspace(low, high, n + 1)
    return edges, (edges[1:] + edges[:-1]) / 2


@pytest.fixture(scope="module")
def cells() -> Cells:
    """64 x 32 cells made from a grid of 200 x 200: what a beam uses."""
    (p_edges, p), (a_edges, a) = centres(0, TOP, 200), centres(0, WIDEST, 200)
    pp, aa = np.meshgrid(p, a, indexing="ij")
    content = np.asarray(yields(jnp.asarray(pp), jnp.asarray(aa), COEFFICIENTS))
    return equal_cells(p_edges, a_edges, content, 64, 32)


def truth(c: SanfordWang) -> Real:
    """Integral of the density over every bin, by Gauss-Legendre, mb."""
    node, weight = np.polynomial.legendre.leggauss(24)

    def axis(edges: Real) -> tuple[Real, Real]:
        half = np.diff(edges)[:, None] / 2
        return (edges[:-1, None] + half + half * node).ravel(), (half * weight).ravel()

    (p, wp), (a, wa) = axis(P_EDGES), axis(ANGLE_EDGES)
    pp, aa = np.meshgrid(p, a, indexing="ij")
    f = np.asarray(yields(jnp.asarray(pp), jnp.asarray(aa), c)) * wp[:, None] * wa
    return f.reshape(len(P_EDGES) - 1, 24, len(ANGLE_EDGES) - 1, 24).sum(axis=(1, 3))


def pulls(cells: Cells, rng: np.random.Generator, c: SanfordWang) -> Real:
    """Deviation in every bin of a weighted sample of the nominal density from the integrals of `c`, in errors."""
    p, theta, density = map(np.asarray, draw(cells, *map(jnp.asarray, rng.random((2, N)))))
    weight = np.asarray(yields(jnp.asarray(p), jnp.asarray(theta), COEFFICIENTS)) / density / N
    bins = [P_EDGES, ANGLE_EDGES]
    found = np.histogram2d(p, theta, bins=bins, weights=weight)[0]
    square = np.histogram2d(p, theta, bins=bins, weights=weight**2)[0]
    expected = truth(c)
    significant = expected > 1e-5 * expected.sum()
    assert significant.sum() > 25
    variance = np.maximum(square - found**2 / N, (1e-6 * expected.sum()) ** 2)
    return ((found - expected) / np.sqrt(variance))[significant]


def test_a_weighted_sample_has_the_integrals_of_the_density(cells: Cells, rng: np.random.Generator) -> None:
    """Every bin within the two-sided deviate of 1e-6: false alarms once in 3e4 runs."""
    assert np.max(np.abs(pulls(cells, rng, COEFFICIENTS))) < PULL


@pytest.mark.parametrize("change", [{"c4": 1.978 * 1.05}, {"c6": 5.572 * 1.05}, {"c1": 220.7 * 1.05}])
def test_coefficients_wrong_by_five_per_cent_are_seen(
    cells: Cells, rng: np.random.Generator, change: dict[str, float]
) -> None:
    assert np.max(np.abs(pulls(cells, rng, COEFFICIENTS._replace(**change)))) > PULL


def test_most_of_the_sample_is_effective(cells: Cells, rng: np.random.Generator) -> None:
    p, theta, density = draw(cells, *map(jnp.asarray, rng.random((2, N))))
    weight = np.asarray(yields(p, theta, COEFFICIENTS) / density)
    assert weight.sum() ** 2 / (weight**2).sum() / N > 0.9  # 0.927 for these cells


def test_the_density_is_that_of_the_points(rng: np.random.Generator) -> None:
    """On four coarse cells, from a histogram with an empty bin: counts against the density given."""
    cells = equal_cells(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 2.0]), np.array([[4.0, 0.0], [1.0, 3.0]]), 2, 2)
    x, y, density = map(np.asarray, draw(cells, *map(jnp.asarray, rng.random((2, N)))))
    assert np.mean(1 / density) == pytest.approx(6.0, rel=0.01)  # the area: every point of it can be drawn
    bins = [np.linspace(0, 3, 7), np.linspace(0, 2, 5)]
    counts = np.histogram2d(x, y, bins=bins)[0]
    area = np.histogram2d(x, y, bins=bins, weights=1 / density)[0] / N
    np.testing.assert_allclose(area[2:], 0.25, rtol=0.05)  # x > 1, where both rows have content
    assert chi2_probability(counts[:2].sum(axis=1), [0.5, 0.5]) > ALPHA


def test_a_histogram_without_content_is_refused() -> None:
    edges = np.array([0.0, 1.0])
    for content in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="content"):
            equal_cells(edges, edges, np.array([[content]]), 2, 2)
