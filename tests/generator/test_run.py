"""Events are a function of card, seed and number: not of shards, batches, devices, interruptions or who asks."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import cards
import jax
import numpy as np
import pytest
from children import child
from numpy.typing import NDArray

from darkhorn.generator.events import Events
from darkhorn.generator.run import Layout, Runner, Statistics, make_layout
from darkhorn.generator.simulation import Request, Simulation
from darkhorn.kernels.errors import InputError

Columns = dict[str, dict[str, NDArray[Any]]]


def gather(sim: Simulation, requests: list[Request]) -> Columns:
    """The events of all requests, per topology, sorted by event_id."""
    parts: dict[str, list[dict[str, NDArray[Any]]]] = {}
    for request in requests:
        for block in sim.runner(request).blocks():
            parts.setdefault(block.topology, []).append(block.columns)
    found = {}
    for name, pieces in parts.items():
        table = {key: np.concatenate([piece[key] for piece in pieces]) for key in pieces[0]}
        order = np.argsort(table["event_id"], kind="stable")
        found[name] = {key: column[order] for key, column in table.items()}
    return found


def assert_identical(one: Columns, two: Columns) -> None:
    assert one.keys() == two.keys()
    for name, table in one.items():
        assert table.keys() == two[name].keys()
        for key, column in table.items():
            assert column.dtype == two[name][key].dtype, key
            assert column.tobytes() == two[name][key].tobytes(), f"{name}: {key}"


@pytest.mark.parametrize("unweighted", [False, True], ids=["weighted", "unweighted"])
def test_shards_are_one_run(coherent: Simulation, unweighted: bool) -> None:
    n, shards = 3001, 3 if unweighted else 7
    whole = gather(coherent, [Request(n, 1, unweighted, batch_size=1024)])
    parts = gather(coherent, [Request(n, 1, unweighted, i, shards, batch_size=1024) for i in range(shards)])
    assert_identical(whole, parts)
    ids = np.concatenate([table["event_id"] for table in whole.values()])
    np.testing.assert_array_equal(np.sort(ids), np.arange(n))


@pytest.mark.parametrize("unweighted", [False, True], ids=["weighted", "unweighted"])
def test_events_do_not_depend_on_the_size_of_a_batch(coherent: Simulation, unweighted: bool) -> None:
    n = 6011
    reference = gather(coherent, [Request(n, 1, unweighted, batch_size=1024)])
    assert_identical(reference, gather(coherent, [Request(n, 1, unweighted, batch_size=700)]))


def test_blocks_are_not_larger_than_a_batch_and_tell_their_rows(coherent: Simulation) -> None:
    runner = coherent.runner(Request(9000, 1, batch_size=1024))
    filled = {name: 0 for name in runner.layout.rows}
    for block in runner.blocks():
        assert len(block) <= 1024
        assert block.row == filled[block.topology]
        filled[block.topology] += len(block)
    assert filled == runner.layout.rows


def test_skipped_tasks_leave_the_others_as_they_were(coherent: Simulation) -> None:
    runner = coherent.runner(Request(9000, 1, batch_size=1024))
    every = list(runner.blocks())
    rest = list(coherent.runner(Request(9000, 1, batch_size=1024)).blocks(skip=4))
    assert len(rest) == len(every) - 4
    for one, two in zip(every[4:], rest, strict=True):
        assert_identical({"": one.columns}, {"": two.columns})


def test_any_event_can_be_made_again_alone(microboone: Simulation, sample: Events, rng: np.random.Generator) -> None:
    seen = set()
    for name, table in sample.topologies.items():
        for channel in np.unique(table["channel"]):
            rows = np.flatnonzero(table["channel"] == channel)
            for row in rng.choice(rows, min(3, len(rows)), replace=False):
                alone = microboone.event(int(table["event_id"][row]), n=len(sample), seed=1)
                assert alone.keys() == table.keys()
                for key, value in alone.items():
                    assert value.tobytes() == table[key][row].tobytes(), f"{name}: {key}"
                seen.add(int(channel))
    assert seen == set(range(len(microboone.build.channels)))


def test_an_event_that_the_run_does_not_have_is_refused(microboone: Simulation) -> None:
    with pytest.raises(InputError, match="event id"):
        microboone.event(1000, n=1000)
    with pytest.raises(InputError, match="event id"):
        microboone.event(-1, n=1000)


def test_seeds_and_channels_have_random_numbers_of_their_own(coherent: Simulation) -> None:
    one, two = (gather(coherent, [Request(2000, seed, batch_size=1024)]) for seed in (1, 2))
    energies = np.concatenate([table["energy"] for run in (one, two) for table in run.values()])
    assert len(np.unique(energies)) == len(energies)


SCRIPT = """
import json, sys
import darkhorn
darkhorn.enable_x64()
import jax, numpy as np
from darkhorn.generator.simulation import Request
assert len(jax.devices()) == int(sys.argv[2])
sim = darkhorn.Simulation.from_card("microboone", json.loads(sys.argv[3]))
for unweighted in (False, True):
    for i, block in enumerate(sim.runner(Request(4001, 1, unweighted, batch_size=1024)).blocks()):
        np.savez(f"{sys.argv[1]}/{unweighted}-{i}.npz", **block.columns)
"""


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="devices are simulated on the CPU only")
@pytest.mark.parametrize("devices", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_several_devices_make_the_events_of_one(coherent: Simulation, tmp_path: Path, devices: int) -> None:
    flags = f"--xla_force_host_platform_device_count={devices}"
    done = child(SCRIPT, str(tmp_path), str(devices), json.dumps(cards.COHERENT), XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
    assert done.returncode == 0, done.stderr[-2000:]
    for unweighted in (False, True):
        for i, block in enumerate(coherent.runner(Request(4001, 1, unweighted, batch_size=1024)).blocks()):
            with np.load(tmp_path / f"{unweighted}-{i}.npz") as file:
                assert_identical({"": block.columns}, {"": dict(file)})


def layout(sim: Simulation, n: int, shard: int = 0, shards: int = 1) -> Layout:
    return make_layout(sim.build.channels, sim.plan(), n, shard, shards, False)


@pytest.mark.parametrize(("n", "shards"), [(1, 1), (7, 3), (1000, 7), (10**12 + 1, 13)])
def test_shards_cut_every_channel_without_gap_or_overlap(microboone: Simulation, n: int, shards: int) -> None:
    layouts = [layout(microboone, n, shard, shards) for shard in range(shards)]
    assert sum(item.events for item in layouts) == n
    for index in range(len(microboone.build.channels)):
        shares = [item.shares[index] for item in layouts]
        assert shares[0].first == 0
        assert shares[-1].stop == shares[0].total
        assert all(a.stop == b.first for a, b in pairwise(shares))
        assert len({share.event_id for share in shares}) == 1
    tasks = layouts[0].tasks(10**11)
    assert sum(task.stop - task.first for task in tasks) == layouts[0].events


def test_an_event_that_is_not_finite_stops_the_run_and_names_its_replay(coherent: Simulation) -> None:
    from dataclasses import replace

    channels = list(coherent.build.channels)
    broken = {**channels[0].params, "scatterers_per_cm3": np.asarray(np.nan)}
    channels[0] = replace(channels[0], params=broken)
    plan = coherent.plan(1)
    runner = Runner(channels, plan, 1, make_layout(channels, plan, 100, 0, 1, False), False, 1024)
    with pytest.raises(FloatingPointError, match=r"event 0 of channel .*Simulation\.event\(0, n=100, seed=1\)"):
        list(runner.blocks())


def test_statistics_are_the_sums_of_what_they_are_given() -> None:
    statistics = Statistics()
    statistics.add(5, np.array([1.0, 2.0]), 1.5)
    statistics.add(3, np.array([]), 1.5)
    statistics.add(2, np.array([0.5]), 1.5)
    assert statistics == Statistics(10, 3, 3.5, 5.25, 2.0, 0.5, 1)
