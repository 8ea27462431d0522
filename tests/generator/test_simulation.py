"""`Simulation`: weights that add up to the rate, headers that tell the truth, and the public names."""

from typing import Any

import cards
import numpy as np
import pytest
from children import child
from scipy import stats

import darkhorn
from darkhorn.generator.events import Events
from darkhorn.generator.run import Statistics
from darkhorn.generator.simulation import Request, Simulation
from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON, MASS_NEUTRON, MASS_PROTON
from darkhorn.kernels.errors import InputError

TPC = 256.35 * 233.0 * 1036.8
FACTORS = ("w_flux", "w_targets", "w_line_of_sight", "w_xsec", "w_branching", "w_decay", "w_sampling")


@pytest.fixture(scope="module")
def unweighted(microboone: Simulation) -> Events:
    return microboone.run(20_000, seed=3, unweighted=True)


# ------------------------------------------------------------------------------------------------------- weights
@pytest.mark.parametrize("kind", ["sample", "unweighted"])
def test_the_weight_is_the_product_of_its_named_factors(kind: str, request: pytest.FixtureRequest) -> None:
    events: Events = request.getfixturevalue(kind)
    product = np.prod([events[name] for name in FACTORS], axis=0)
    np.testing.assert_allclose(product, events["weight"], rtol=1e-14)
    for table in events.topologies.values():
        assert {name for name in table if name.startswith("w_")} == set(FACTORS)


def test_weights_add_up_to_flux_times_cross_section_times_nuclei(
    microboone: Simulation, sample: Events, rng: np.random.Generator
) -> None:
    argon = cards.nuclei(1.3954, 1.0, "Ar40", TPC)
    total = 0.0
    for channel, found in zip(microboone.build.channels, sample.header.channels, strict=True):
        expected = cards.expected_events(microboone, channel, argon, rng)
        total += expected
        variance = microboone.plan(1).channels[found["index"]].variance / found["n_total"]
        # 2e-4: distances by our own Monte Carlo, cells of the flux table
        if found["n_total"] >= 200:  # the sum of a handful of uneven weights is no normal deviate
            assert abs(found["sum_w"] - expected) < 4.9 * variance**0.5 + 2e-4 * expected, channel.name
    assert total == pytest.approx(241.6, rel=0.01)
    assert sample.sum_w == pytest.approx(total, rel=5e-3)


def test_every_channel_with_a_rate_has_an_event(microboone: Simulation) -> None:
    events = microboone.run(100, seed=1)
    assert set(events["channel"].tolist()) == set(range(len(microboone.build.channels)))
    assert events.sum_w == pytest.approx(241.6, rel=0.1)


def test_unweighted_events_are_as_many_as_asked_and_weigh_the_same(microboone: Simulation, unweighted: Events) -> None:
    assert len(unweighted) == 20_000
    unit = microboone.plan(3).rate / 20_000
    assert unweighted.sum_w == pytest.approx(microboone.plan(3).rate, rel=1e-3)
    heavy = unweighted["weight"] > unit * (1 + 1e-12)
    assert heavy.mean() < 1e-3
    np.testing.assert_allclose(unweighted["weight"][~heavy], unit, rtol=1e-12)
    for found in unweighted.header.channels:
        weight = unweighted["weight"][unweighted["channel"] == found["index"]]
        excess = np.maximum(weight - unit, 0.0).sum() / weight.sum() if len(weight) else 0.0
        assert found["overweight_fraction"] == pytest.approx(excess, abs=1e-15)
        assert found["attempted"] >= found["kept"] == len(weight)


@pytest.mark.parametrize("column", ["energy", "q2", "scatter_z", "ep_e", "em_pz", "decay_t", "n4_px"])
def test_unweighted_events_are_distributed_like_weighted_ones(sample: Events, unweighted: Events, column: str) -> None:
    x, w, y = sample[column], sample["weight"], unweighted[column]
    edges = np.unique(np.quantile(y, np.linspace(0, 1, 41)))
    heights, squares = (np.histogram(x, edges, weights=v)[0] / w.sum() for v in (w, w * w / w.sum()))
    counts = np.histogram(y, edges)[0] / len(y)
    chi2 = np.sum((heights - counts) ** 2 / (squares + counts / len(y)))
    assert stats.chi2.sf(chi2, len(counts) - 1) > 1e-6, column
    shifted = np.histogram(y + 0.1 * np.std(y), edges)[0] / len(y)  # what the test can see
    assert stats.chi2.sf(np.sum((heights - shifted) ** 2 / (squares + counts / len(y))), len(counts) - 1) < 1e-6


def test_weights_above_the_maximum_are_kept_and_reported() -> None:
    """With too small a maximum the sum of weights stays right, and the header says how much is above."""
    from dataclasses import replace

    sim = Simulation(cards.simulation(cards.ONE_CHANNEL).card)
    plan = sim.plan(1)
    low = replace(plan, channels=(replace(plan.channels[0], maximum=plan.channels[0].rate),))
    sim.use_plan(low)
    events = sim.run(4000, seed=1, unweighted=True)
    unit = low.rate / 4000
    assert events["weight"].max() > 1.2 * unit
    assert 0.005 < events.header.channels[0]["overweight_fraction"] < 0.2
    np.testing.assert_allclose(np.prod([events[name] for name in FACTORS], axis=0), events["weight"], rtol=1e-13)


# -------------------------------------------------------------------------------------------------------- header
def test_header_sums_are_the_sums_of_the_columns(sample: Events) -> None:
    header = sample.header
    assert header.complete
    assert header.n_events == len(sample) == header.n_total
    assert (header.seed, header.shard, header.n_shards, header.unweighted) == (1, 0, 1, False)
    for found in header.channels:
        weight = sample["weight"][sample["channel"] == found["index"]]
        assert found["kept"] == found["attempted"] == found["n_total"] == len(weight)
        assert found["sum_w"] == pytest.approx(weight.sum(), rel=1e-13)
        assert found["sum_w2"] == pytest.approx(np.square(weight).sum(), rel=1e-13)
        assert found["max_weight"] == weight.max()
        rows = sample["channel"] == found["index"]
        for key in ("process_id", "target_pdg"):
            assert set(sample[key][rows].tolist()) == {found[key]}


def test_header_holds_the_masses_and_particles_of_the_card(sample: Events) -> None:
    header = sample.header
    assert header.masses == {
        "n4": 0.106, "zprime": 0.03, "electron": MASS_ELECTRON, "muon": MASS_MUON, "neutrino": 0.0,
    }  # fmt: skip
    assert {p["name"]: (p["pdg"], p["mass"]) for p in header.particles} == {
        "N4": (5914, 0.106),
        "N4~": (-5914, 0.106),
        "Zprime": (5921, 0.03),
    }
    assert all(p["width"] > 0 for p in header.particles)
    assert [p["id"] for p in header.processes] == [750, 751, 752]
    assert header.regions == ["tpc"]
    assert {c["target_pdg"] for c in header.channels} == {1000180400}
    nucleon = sample.topologies["nucleon_zprime_ee"]
    assert set(nucleon["recoil_mass"].tolist()) == {MASS_PROTON, MASS_NEUTRON}
    assert header.pot == 6.87e20
    assert header.plan["hash"]
    assert Simulation.from_card(header.card_resolved).card.resolved() == header.card_resolved


def test_cross_section_tables_of_the_header_are_those_of_the_channels(microboone: Simulation, sample: Events) -> None:
    assert set(sample.header.cross_sections) == {channel.name for channel in microboone.build.channels}
    for channel in microboone.build.channels:
        table = sample.header.cross_sections[channel.name]
        energy, value = table["energy_GeV"], table["xsec_1e38cm2"]
        assert (np.diff(energy) > 0).all()
        assert (value[1:] > 0).all()
        rows = microboone.cross_sections([float(energy[20])], ["Ar40"])
        flavour = "nu_mu " if channel.projectile_pdg > 0 else "nu_mu_bar "
        row = next(
            r
            for r in rows
            if (r["regime"], r["helicity"]) == (channel.regime, channel.helicity) and r["process"].startswith(flavour)
        )
        per_nucleus = {"p-elastic": 18, "n-elastic": 22}.get(channel.regime, 1)
        assert value[20] == pytest.approx(row["xsec_cm2"] * 1e38 * per_nucleus, rel=1e-12)


def test_exposures_of_shards_add_up_and_normalise_each(microboone: Simulation) -> None:
    pots = []
    for shard in range(3):
        runner = microboone.runner(Request(4001, 1, shard=shard, n_shards=3, batch_size=1024))
        statistics = [Statistics() for _ in runner.channels]
        for block in runner.blocks():
            statistics[block.task.share.index].add(block.attempted, block.columns["weight"], None)
        header = microboone.header(Request(4001, 1), runner, statistics, {})
        pots.append(header.pot)
        total = sum(found["sum_w"] for found in header.channels)
        assert total / header.pot == pytest.approx(241.6 / 6.87e20, rel=0.02)
    assert sum(pots) == pytest.approx(6.87e20, rel=1e-12)


# ---------------------------------------------------------------------------------------------------- requests
@pytest.mark.parametrize(
    "request_",
    [Request(events=0), Request(events=2**48 + 1), Request(seed=-1), Request(seed=2**63), Request(shard=1)],
)
def test_numbers_out_of_range_are_refused(microboone: Simulation, request_: Request) -> None:
    with pytest.raises(InputError):
        microboone.runner(request_)


def test_a_large_seed_and_a_large_run_work(microboone: Simulation) -> None:
    sim = cards.simulation(cards.ONE_CHANNEL)
    first = next(iter(sim.runner(Request(2**48, 2**63 - 1, batch_size=64)).blocks()))
    assert first.columns["event_id"][-1] == 63
    last = sim.event(2**48 - 1, n=2**48, seed=2**63 - 1)
    assert last["event_id"] == 2**48 - 1
    assert float(last["weight"]) > 0


def test_more_exposure_more_events() -> None:
    one = cards.simulation(cards.ONE_CHANNEL)
    two = cards.simulation({**cards.ONE_CHANNEL, "exposure": "13.74e20 POT"})
    assert two.plan(1).rate == pytest.approx(2 * one.plan(1).rate, rel=1e-12)


# ------------------------------------------------------------------------------------------------- public names
def test_public_names_are_these() -> None:
    assert sorted(darkhorn.__all__) == [
        "DarkhornError", "Events", "InputError", "Interrupted", "OutputError", "Request", "RunCard", "Simulation",
        "ValidationFailed", "__version__", "enable_x64", "load_card", "read", "read_scan",
    ]  # fmt: skip
    for name in darkhorn.__all__:
        assert getattr(darkhorn, name) is not None
    assert {name for name in vars(Simulation) if not name.startswith("_")} >= {
        "from_card", "build", "plan", "use_plan", "rate", "widths", "cross_sections", "runner", "blocks", "run",
        "event", "header",
    }  # fmt: skip
    with pytest.raises(AttributeError, match="nonsense"):
        _: Any = darkhorn.nonsense


def test_importing_darkhorn_does_not_import_jax() -> None:
    script = """
import sys
import darkhorn
from darkhorn.generator.runcard import load_card
assert load_card("microboone").model.m4 == 0.106
darkhorn.RunCard, darkhorn.InputError, dir(darkhorn)
assert "jax" not in sys.modules, "jax"
"""
    done = child(script)
    assert done.returncode == 0, done.stderr[-2000:]


def test_single_precision_is_refused_with_what_to_do() -> None:
    script = """
import darkhorn
try:
    darkhorn.Simulation.from_card("microboone")
except darkhorn.InputError as error:
    assert error.exit_code == 3 and "enable_x64" in error.do and "float32" in str(error.found), error
else:
    raise SystemExit("single precision was accepted")
darkhorn.enable_x64()
darkhorn.Simulation.from_card("microboone")
"""
    done = child(script, JAX_ENABLE_X64="0")
    assert done.returncode == 0, done.stderr[-2000:]
