"""The expected number of events: right, with an honest error, to the precision asked for."""

import cards
import numpy as np
import pytest

from darkhorn.generator.rate import expected_events, ray_variance
from darkhorn.generator.ray_source import _thinned
from darkhorn.generator.simulation import Simulation
from darkhorn.kernels.errors import InputError


def test_the_rate_is_the_quadrature(rng: np.random.Generator) -> None:
    sim = cards.simulation(cards.ONE_CHANNEL)
    found = sim.rate(1e-3)
    argon = cards.nuclei(1.3954, 1.0, "Ar40", 256.35 * 233.0 * 1036.8)
    expected = cards.expected_events(sim, sim.build.channels[0], argon, rng)
    assert found["error"] <= 1e-3 * found["events"]
    assert (found["error_integration"], found["error_rays"]) == (found["error"], 0.0)
    # seven degrees of freedom: six errors are improbable to 1e-3; 1e-4: distances by our own Monte Carlo
    assert abs(found["events"] - expected) < 6 * found["error"] + 1e-4 * expected


def test_the_rows_add_up_and_name_the_channels(microboone: Simulation) -> None:
    found = microboone.rate(2e-3)
    rows = found["channels"]
    assert found["events"] == pytest.approx(sum(row["events"] for row in rows), rel=1e-12)
    assert found["error"] == pytest.approx(sum(row["error"] ** 2 for row in rows) ** 0.5, rel=1e-12)
    for row, channel in zip(rows, microboone.build.channels, strict=True):
        assert set(row) == {"region", "target", "regime", "helicity", "projectile_pdg", "events", "error"}
        assert (row["regime"], row["helicity"]) == (channel.regime, channel.helicity)
    assert found["ess"] > 1000


def test_estimates_of_different_seeds_scatter_as_their_errors_say() -> None:
    sim = Simulation(cards.simulation(cards.ONE_CHANNEL).card)
    plan = sim.plan(1)
    pulls = []
    best = expected_events(sim.build.channels, plan, 4e-4, 99)["events"]
    for seed in range(8):
        found = expected_events(sim.build.channels, plan, 1e-2, seed)
        pulls.append((found["events"] - best) / found["error"])
    # the mean square of eight pulls of a t distribution with seven degrees of freedom has mean 1.4
    assert 0.1 < np.mean(np.square(pulls)) < 8.0


def test_variance_by_the_number_of_rays(rng: np.random.Generator) -> None:
    """The sum of squares, from estimates whose own errors are larger than what is measured; the plain square of their
    mean would be 3 times too large.
    """
    true = rng.exponential(size=4000) ** 2
    expected = np.sum(true**2)
    noise = 4 * true.std() * rng.normal(size=(8, 4000))
    found = ray_variance(true + noise, np.ones(4000))
    # error of the sum over pairs: 2 sigma^4/(8 7) and 4 r^2 sigma^2/8 per ray
    error = np.sqrt(4000 * 2 * noise.var() ** 2 / 56 + 4 * expected * noise.var() / 8)
    assert abs(found - expected) < 4.9 * error < 0.5 * expected
    assert np.sum((true + noise).mean(axis=0) ** 2) > 2 * expected
    assert ray_variance(np.zeros((8, 5)), np.ones(5)) == 0.0


def test_thinned_rays_stand_for_those_of_the_source(rng: np.random.Generator) -> None:
    """Rays of flux f that make f g events, thinned to a fifth: the variance is that of all of them, heavy ones, which
    are drawn several times, included. Without `stands_for` it is wrong by a factor.
    """
    flux, per_flux = rng.exponential(size=20_000) ** 3, rng.uniform(0.5, 1.5, 20_000)
    flux[:20] *= 50
    chosen, factor = _thinned(flux, 4000, 1)
    assert len(np.unique(chosen)) < 3900
    rates = np.tile(flux[chosen] * factor * per_flux[chosen], (8, 1))
    expected = np.sum((flux * per_flux) ** 2)
    assert ray_variance(rates, factor) == pytest.approx(expected, rel=0.03)
    assert ray_variance(rates, np.ones(4000)) < 0.5 * expected


@pytest.mark.parametrize("precision", [0.0, 1e-7, 0.6, float("nan")])
def test_a_precision_out_of_range_is_refused(precision: float) -> None:
    with pytest.raises(InputError, match="precision"):
        cards.simulation(cards.ONE_CHANNEL).rate(precision)


def test_sobol_points_beat_random_ones() -> None:
    sim = cards.simulation(cards.ONE_CHANNEL)
    found = sim.rate(5e-4)
    random_error = found["events"] / found["ess"] ** 0.5
    assert found["error"] < 0.2 * random_error
