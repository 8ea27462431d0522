"""The pilot: efficient maps, the same for the same seed, and safe against mix-ups."""

import json
from pathlib import Path

import cards
import numpy as np
import pytest

from darkhorn.generator.channel import Channel
from darkhorn.generator.events import Events
from darkhorn.generator.plan import ChannelPlan, Plan, make_plan, read_plan
from darkhorn.generator.simulation import Simulation
from darkhorn.kernels.errors import InputError


def plan_of(*rates: float) -> Plan:
    grid = np.linspace(0.0, 1.0, 3)[None]
    return Plan("hash", 1, tuple(ChannelPlan(f"c{i}", grid, r, 0.0, 0.0, r) for i, r in enumerate(rates)))


def test_the_maps_make_weights_even(sample: Events) -> None:
    assert sample.ess / len(sample) >= 0.95


def test_without_the_maps_weights_are_uneven(microboone: Simulation) -> None:
    """So that the test above measures the maps and not the card."""
    from darkhorn.generator.run import Runner, make_layout

    channels = microboone.build.channels[:1]
    flat = Plan("", 1, (ChannelPlan("flat", np.tile(np.linspace(0, 1, 65), (3, 1)), 1.0, 0.0, 0.0, 1.0),))
    runner = Runner(channels, flat, 1, make_layout(channels, flat, 4000, 0, 1, False), False, 4096)
    weight = np.concatenate([block.columns["weight"] for block in runner.blocks()])
    assert weight.sum() ** 2 / np.sum(weight**2) / len(weight) < 0.9


def test_a_plan_is_a_function_of_card_and_seed(microboone: Simulation) -> None:
    channels: tuple[Channel, ...] = microboone.build.channels[:2]
    one, two, other = (make_plan(channels, "card", seed).to_json() for seed in (1, 1, 2))
    assert one == two
    assert one["hash"] != other["hash"]


def test_the_pilot_measures_the_rate_within_its_error(microboone: Simulation, sample: Events) -> None:
    for channel, found in zip(sample.header.channels, microboone.plan(1).channels, strict=True):
        assert channel["rate"] == found.rate
        n = channel["n_total"]
        if n > 100:
            error = np.hypot(found.rate_error, (found.variance / n) ** 0.5)
            assert abs(channel["sum_w"] - found.rate) < 4.9 * error, found.name
        assert channel["max_weight"] * n <= found.maximum


def test_json_and_back_changes_no_bit(microboone: Simulation, tmp_path: Path) -> None:
    plan = microboone.plan(1)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan.to_json()))
    again = read_plan(path)
    assert (again.card_hash, again.seed) == (plan.card_hash, plan.seed)
    for one, two in zip(again.channels, plan.channels, strict=True):
        assert one.grid.tobytes() == two.grid.tobytes()
        assert {**vars(one), "grid": None} == {**vars(two), "grid": None}


@pytest.mark.parametrize("change", ["rate", "grid", "seed", "hash", "drop", "type"])
def test_a_changed_plan_is_refused(microboone: Simulation, tmp_path: Path, change: str) -> None:
    data = json.loads(json.dumps(microboone.plan(1).to_json()))
    if change == "rate":
        data["channels"][0]["rate"] *= 1 + 1e-15
    elif change == "grid":
        data["channels"][0]["grid"][0][1] += 1e-9
    elif change == "drop":
        del data["channels"][0]["maximum"]
    elif change == "type":
        data = [data]
    else:
        data[change] = 2 if change == "seed" else "0" * 64
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="plan"):
        read_plan(path)


@pytest.mark.parametrize("text", [None, "", "{", "\x00"])
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"plan\.json"):
        read_plan(path)


def test_a_plan_for_another_card_seed_or_channels_is_refused(microboone: Simulation) -> None:
    other = cards.simulation(cards.ONE_CHANNEL)
    with pytest.raises(InputError, match="another card"):
        other.use_plan(microboone.plan(1))
    plan = microboone.plan(1)
    names = [channel.name for channel in plan.channels]
    with pytest.raises(InputError, match="another seed"):
        plan.check(plan.card_hash, 2, names, "plan")
    with pytest.raises(InputError, match="another channels"):
        plan.check(plan.card_hash, 1, names[1:], "plan")
    plan.check(plan.card_hash, 1, names, "plan")


def test_a_plan_from_elsewhere_is_used(microboone: Simulation) -> None:
    sim = Simulation(microboone.card)
    plan = microboone.plan(1)
    sim.use_plan(Plan.from_json(json.loads(json.dumps(plan.to_json())), "plan"))
    one, two = sim.run(500, seed=1), microboone.run(500, seed=1)
    assert one["weight"].tobytes() == two["weight"].tobytes()
    assert one.header.plan_hash() == two.header.plan_hash()


def test_events_are_shared_by_the_rates() -> None:
    assert plan_of(3.0, 1.0).shares(100) == [75, 25]
    assert plan_of(1.0, 1.0, 1.0).shares(100) == [34, 33, 33]
    assert plan_of(1.0, 1e-9, 0.0).shares(100) == [99, 1, 0]
    assert plan_of(1.0, 1e-9, 0.0).shares(100, at_least_one=False) == [100, 0, 0]
    assert plan_of(1.0, 1e-9).shares(1) == [1, 0]


@pytest.mark.parametrize("n", [1, 2, 17, 10**6 + 3, 2**48])
def test_shares_add_up(n: int) -> None:
    rates = np.random.default_rng(n).exponential(size=23) ** 4
    shares = plan_of(*rates).shares(n)
    assert sum(shares) == n
    assert min(shares) >= (1 if n >= 1000 else 0)
    assert np.abs(np.array(shares) - rates / rates.sum() * n).max() <= 24


def test_no_rate_at_all_is_an_input_error(microboone: Simulation) -> None:
    from dataclasses import replace

    channel = microboone.build.channels[0]
    silent = replace(channel, params={**channel.params, "scatterers_per_cm3": np.asarray(0.0)})
    with pytest.raises(InputError, match="rate of zero"):
        make_plan([silent], "card", 1)


def test_a_weight_that_is_not_finite_stops_the_pilot(microboone: Simulation) -> None:
    from dataclasses import replace

    channel = microboone.build.channels[0]
    broken = replace(channel, params={**channel.params, "scatterers_per_cm3": np.asarray(np.nan)})
    with pytest.raises(FloatingPointError, match="not finite"):
        make_plan([broken], "card", 1)
