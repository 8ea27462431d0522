"""The upper limit of what accept-reject leaves above its maximum."""

import cards
import numpy as np
import pytest
from scipy import stats

from darkhorn.generator.certificate import overweight_bound, poisson_upper_limit
from darkhorn.generator.files.merge import merged_header
from darkhorn.generator.run import Statistics
from darkhorn.generator.simulation import Request


@pytest.mark.parametrize("count", [0, 1, 2, 7, 50, 100, 101, 5000, 10**6])
def test_the_limit_is_that_of_a_poisson_count(count: int) -> None:
    assert poisson_upper_limit(count) == pytest.approx(stats.chi2.ppf(0.95, 2 * (count + 1)) / 2, rel=1e-4)


def test_none_seen_is_the_rule_of_three() -> None:
    assert overweight_bound(0, 1000, 6.0, 2.0) == pytest.approx(2.9957 / 1000 * 3, rel=1e-4)
    assert overweight_bound(0, 0, 6.0, 2.0) == 0.0
    assert overweight_bound(5, 6, 6.0, 2.0) == 1.0


def test_the_limit_holds_in_19_of_20_samples(rng: np.random.Generator) -> None:
    """Weights of an exponential above a maximum of 7: the true share above, against the limit from 3000 attempts.

    The coverage is at least 95 %, in fact more, as each event above is taken to carry the supremum.
    """
    true = np.exp(-7.0) * 8.0  # integral of w exp(-w) above 7
    held = 0
    for _ in range(400):
        weight = rng.exponential(size=3000)
        held += overweight_bound(int(np.sum(weight > 7)), 3000, 20.0, 1.0) >= true
    assert held >= 400 * 0.95 - 4.9 * np.sqrt(400 * 0.05 * 0.95)


@pytest.mark.parametrize("attempted", [100, 2000])
def test_the_limit_holds_where_the_maximum_is_that_of_a_pilot(rng: np.random.Generator, attempted: int) -> None:
    """The maximum is the largest of 1000 weights of the pilot, different each time; all weights above it are equal, so
    that the limit is of their probability. It holds in 95 % of the samples: 4000 of them are further off than 4.5
    standard deviations with probability 7e-6. To count the pilot twice would be wrong in 4 to 18 % more of them.
    """
    pilot, samples = 1000, 4000
    beyond = 1 - rng.beta(pilot, 1, size=samples)  # probability to exceed the largest of 1000 uniform numbers
    seen = rng.binomial(attempted, beyond)

    def held(n: int) -> float:
        limits = {k: overweight_bound(k, attempted, 1.0, 1.0, n) for k in set(seen.tolist())}
        return float(np.mean([limits[k] >= p for k, p in zip(seen.tolist(), beyond, strict=True)]))

    deviation = np.sqrt(0.05 * 0.95 / samples)
    assert abs(held(pilot) - 0.95) < 4.5 * deviation
    assert held(2 * pilot) < 0.95 - 4.5 * deviation


def test_the_pilot_climbs_above_its_sample() -> None:
    plan = cards.simulation().plan(1)
    above = [c.supremum / c.maximum for c in plan.channels]
    assert min(above) >= 1.0
    assert max(above) > 1.2
    # and no sample of the same maps gets there
    sample = cards.simulation().run(20_011, seed=1)
    for found, channel in zip(plan.channels, sample.header.channels, strict=True):
        assert channel["max_weight"] * channel["n_total"] <= found.supremum


def test_every_unweighted_run_says_what_lies_above_its_maximum() -> None:
    sim = cards.simulation()
    runs = [sim.runner(Request(4000, 1, True, shard, 2)) for shard in range(2)]
    headers = []
    for shard, runner in enumerate(runs):
        statistics = [Statistics() for _ in runner.channels]
        for block in runner.blocks():
            statistics[block.task.share.index].add(block.attempted, block.columns["weight"], runner.unit)
        headers.append(sim.header(Request(4000, 1, True, shard, 2), runner, statistics, {}))
    merged = merged_header(headers)
    for index, found in enumerate(merged.channels):
        parts = [header.channels[index] for header in headers]
        plan = sim.plan(1).channels[index]
        tried = sum(part["attempted"] for part in parts)
        seen = sum(part["overweight_events"] for part in parts)
        assert found["overweight_bound"] == overweight_bound(
            seen, tried, plan.supremum, plan.rate, found["pilot_events"]
        )
        assert all(found["overweight_bound"] <= part["overweight_bound"] or part["attempted"] == 0 for part in parts)
        if tried:
            assert found["overweight_fraction"] <= found["overweight_bound"] <= 1.0
        if tried > 1000:
            assert found["overweight_fraction"] < found["overweight_bound"] < 0.1
