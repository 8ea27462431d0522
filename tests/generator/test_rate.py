"""The expected number of events: right, with an honest error, to the precision asked for."""

import cards
import numpy as np
import pytest

from darkhorn.generator.simulation import Simulation
from darkhorn.kernels.errors import InputError


def test_the_rate_is_the_quadrature(rng: np.random.Generator) -> None:
    sim = cards.simulation(cards.ONE_CHANNEL)
    found = sim.rate(1e-3)
    argon = cards.nuclei(1.3954, 1.0, "Ar40", 256.35 * 233.0 * 1036.8)
    expected = cards.expected_events(sim, sim.build.channels[0], argon, rng)
    assert found["error"] <= 1e-3 * found["events"]
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
    from darkhorn.generator.rate import expected_events

    best = expected_events(sim.build.channels, plan, 4e-4, 99)["events"]
    for seed in range(8):
        found = expected_events(sim.build.channels, plan, 1e-2, seed)
        pulls.append((found["events"] - best) / found["error"])
    # the mean square of eight pulls of a t distribution with seven degrees of freedom has mean 1.4
    assert 0.1 < np.mean(np.square(pulls)) < 8.0


@pytest.mark.parametrize("precision", [0.0, 1e-7, 0.6, float("nan")])
def test_a_precision_out_of_range_is_refused(precision: float) -> None:
    with pytest.raises(InputError, match="precision"):
        cards.simulation(cards.ONE_CHANNEL).rate(precision)


def test_sobol_points_beat_random_ones() -> None:
    sim = cards.simulation(cards.ONE_CHANNEL)
    found = sim.rate(5e-4)
    random_error = found["events"] / found["ess"] ** 0.5
    assert found["error"] < 0.2 * random_error
