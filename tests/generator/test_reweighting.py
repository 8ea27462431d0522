"""Exact reweighting: one density per stage, refusals with their reason, sums and headers that stay true."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.chain import Chain, Stage
from darkhorn.generator.channel import Channel
from darkhorn.generator.device import as_float64
from darkhorn.generator.events import Events
from darkhorn.generator.processes.dark_neutrino_stages import SCATTERING
from darkhorn.generator.reweighting import Reweighting
from darkhorn.generator.reweighting_checks import changed_keys, depends_on_the_model, stages_without_density
from darkhorn.generator.run import column_types
from darkhorn.generator.runcard import load_card
from darkhorn.generator.stages import BACKTRACK, DECAY_FORCED, DECAY_FREE
from darkhorn.generator.tally import Tally
from darkhorn.kernels.errors import InputError, PhysicsWarning

LIGHT = {"source.flavours": ["nu_mu"], "physics.regimes": ["coherent"]}
HEAVY = {"model.m4": "140 MeV", "model.mzprime": "1.25 GeV"}
FLYING = {"model.epsilon": 1e-5, "model.gD": 2e-3}
THREE = {
    "generate.visible": ["gamma", "e+e-"], "model.m4": "60 MeV", "model.m5": "150 MeV", "model.m6": "250 MeV",
    "model.mu_tr_mu4": "0 GeV^-1", "model.mu_tr_mu6": "1e-6 GeV^-1", "model.mu_tr_65": "1e-5 GeV^-1",
    "model.mu_tr_54": "1e-5 GeV^-1",
}  # fmt: skip
DUAL = {"model.m4": "100 MeV", "model.m5": "200 MeV", "model.umu4_sq": 0.0, "model.umu5_sq": 2e-10}


@pytest.fixture(scope="module")
def light() -> Events:
    return cards.simulation(LIGHT).run(3000, seed=4)


# ------------------------------------------------------------------------------------------------- the contract
CHAINS: dict[str, tuple[str, dict[str, Any]]] = {
    "dipole, gas": ("miniboone-dipole", {**LIGHT, "physics.regimes": ["p-elastic"]}),
    "dipole, pairs": ("miniboone-dipole", {**LIGHT, "generate.visible": "e+e-"}),
    "forced": ("microboone", LIGHT),
    "free": ("microboone", {**LIGHT, "force_decay": False}),
    "virtual": ("microboone", {**LIGHT, **HEAVY}),
    "two states, backward": ("microboone-soil", {**LIGHT, "regions": ["soil"]}),
    "two states, on shell": ("microboone", {**LIGHT, **DUAL, "model.mzprime": "60 MeV"}),
    "two pairs": ("microboone-three-states", LIGHT),
    "two pairs, free": ("microboone-three-states", {**LIGHT, "force_decay": False}),
    "one pair of two": ("microboone-three-states", LIGHT),
    "flying": ("microboone", {**LIGHT, **FLYING}),
    "flying, free": ("microboone", {**LIGHT, **FLYING, "force_decay": False}),
    "flying, backward": ("microboone-soil", {**LIGHT, **FLYING, "regions": ["soil"], "model.mzprime": "60 MeV"}),
    "two photons": ("miniboone-dipole", {**LIGHT, **THREE}),
    "a photon and a pair": ("miniboone-dipole", {**LIGHT, **THREE}),
    "one photon of two": ("miniboone-dipole", {**LIGHT, **THREE}),
    "line shape": ("microboone", {**LIGHT, **DUAL, "model.mzprime": "60 MeV", "physics.line_shape": True}),
}
LAST = {
    "two pairs": "N6>N5>N4/e+e-/e+e-", "two pairs, free": "N6>N5>N4/e+e-/e+e-", "one pair of two": "N6>N5/e+e-",
    "two photons": "N6>N5>N4/gamma/gamma", "a photon and a pair": "N6>N5>N4/gamma/e+e-",
    "one photon of two": "N6>N5/gamma",
}  # fmt: skip
SLOW = (*LAST, "flying, free")


def channel_of(name: str) -> Channel:
    card, overrides = CHAINS[name]
    channels = cards.simulation(overrides, card).build.channels
    return next(channel for channel in channels if channel.name.endswith(LAST.get(name, "")))


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in CHAINS])
def test_every_stage_that_depends_on_the_model_has_a_density_of_stored_columns(name: str) -> None:
    channel = channel_of(name)
    chain = channel.chain
    assert stages_without_density(chain, as_float64(channel.params)) == []
    types = column_types(channel)
    shapes = {column: jax.ShapeDtypeStruct((5,), types[column]) for column in types}
    prepared = {**jax.eval_shape(chain.prepare, as_float64(channel.params)), "flight_resolution": jnp.asarray(0.1)}
    found, expected = jax.eval_shape(chain.densities, prepared, shapes)
    assert found.keys() == expected.keys() == {s.column for s in chain.stages if s.density is not None}
    assert found.keys() <= types.keys()
    assert all(value.shape == (5,) for value in found.values())


def test_that_test_sees_the_dependence_of_each_stage() -> None:
    channel = channel_of("forced")
    params = as_float64(channel.params)
    dependent = {s.name for s in channel.chain.stages if depends_on_the_model(channel.chain, s, params)}
    assert dependent == {"xsec", "branching", "decay"}
    free = channel_of("free")
    assert depends_on_the_model(free.chain, DECAY_FREE, as_float64(free.params))


def prepared_of(name: str, cell: float = 1e-6, **changes: Any) -> tuple[Channel, dict[str, Any]]:
    channel = channel_of(name)
    params = jax.jit(channel.chain.prepare)(as_float64(channel.params))
    return channel, {**params, **changes, "flight_resolution": jnp.asarray(cell)}


def test_the_factor_is_the_density_over_that_of_the_sampling(rng: np.random.Generator) -> None:
    """Q^2 and flight: density x dx/du, with the derivative by automatic differentiation of the sampler."""
    _, params = prepared_of("forced", ctau_n=jnp.asarray(10.0))
    u, other = jnp.asarray(rng.uniform(size=200)), jnp.asarray(rng.uniform(size=200))
    energy = {"energy": jnp.asarray(rng.uniform(0.3, 3.0, 200))}

    def scattering(u: jax.Array) -> tuple[jax.Array, jax.Array]:
        columns, factor = SCATTERING.run(params, energy, [u, other])
        assert factor is not None
        return columns["q2"], factor

    (q2, factor), (slope, _) = jax.jvp(scattering, (u,), (jnp.ones_like(u),))
    assert SCATTERING.density is not None
    np.testing.assert_allclose(SCATTERING.density(params, {**energy, "q2": q2}) * jnp.abs(slope), factor, rtol=1e-9)

    inside = params["region"].sample_uniform(*jnp.asarray(rng.uniform(size=(3, 200))))
    start = {f"scatter_{a}": place for a, place in zip("xyz", inside, strict=True)}
    momentum = {f"n4_p{a}": jnp.asarray(rng.normal(size=200)) for a in "xyz"}
    state = {**start, **momentum, "n4_e": jnp.full(200, 3.0)}

    def decay(stage: Stage, u: jax.Array) -> tuple[Any, Any]:
        columns, factor = stage.run(params, state, [u])
        return columns, jnp.ones_like(u) if factor is None else factor

    for stage in (DECAY_FORCED, DECAY_FREE):
        (columns, factor), (slopes, _) = jax.jvp(lambda u, s=stage: decay(s, u), (u,), (jnp.ones_like(u),))
        assert stage.density is not None
        density = stage.density(params, {**state, **columns}) / params["flight_resolution"]
        np.testing.assert_allclose(density * slopes["flight"], factor, rtol=1e-5)
    # backwards the place is another, the law of decay the same
    assert BACKTRACK.density is not None
    np.testing.assert_allclose(BACKTRACK.density(params, {**state, **columns}), density, rtol=1e-5)


def test_cells_of_a_path_add_up_to_the_probability_of_a_decay() -> None:
    """Decays on a line through the box: the densities of the cells sum to the factor, whatever the resolution."""
    _, base = prepared_of("forced", ctau_n=jnp.asarray(1.0))
    line = {"scatter_x": 128.0, "scatter_y": 0.0, "scatter_z": 400.0, "n4_px": 0.0, "n4_py": 0.0, "n4_pz": 2.0}
    assert DECAY_FORCED.density is not None
    end = float(base["decay_region"].ray_interval(128.0, 0.0, 400.0, 0.0, 0.0, 1.0)[1])
    assert 100 < end < 1000
    for cell in (0.7, 3.0, 1e4):
        params = {**base, "flight_resolution": jnp.asarray(cell)}
        start = {key: jnp.full(1, value) for key, value in line.items()}
        factor = DECAY_FORCED.run(params, start, [jnp.full(1, 0.3)])[1]
        assert factor is not None
        total = float(factor[0])
        lower = np.arange(0.0, end, cell)
        steps = jnp.asarray(0.5 * (lower + np.minimum(lower + cell, end)))
        state = {key: jnp.full(steps.shape, value) for key, value in line.items()}
        state |= {"decay_x": state["scatter_x"], "decay_y": state["scatter_y"], "decay_z": 400.0 + steps}
        assert float(DECAY_FORCED.density(params, state).sum()) == pytest.approx(total, rel=1e-12)


# ------------------------------------------------------------------------------------------------------ the weights
def test_there_and_back_gives_the_old_weights(light: Events) -> None:
    there = light.reweight({"model.epsilon": 5e-4, "physics.z_exchange": False})
    back = there.reweight({"model.epsilon": 8e-4, "physics.z_exchange": True})
    assert abs(there.sum_w / light.sum_w - 1) > 0.3
    np.testing.assert_allclose(back["weight"], light["weight"], rtol=1e-12)
    assert back.header.card_resolved == light.header.card_resolved
    assert back.header.extra["reweighting"]["earlier"] == there.header.extra["reweighting"]


def test_factors_multiply_to_the_weight_and_other_columns_are_shared(light: Events) -> None:
    new = light.reweight({"model.epsilon": 5e-4, "exposure": "1e20 POT"})
    (before,), (after,) = light.topologies.values(), new.topologies.values()
    assert before.keys() == after.keys()
    changed = {key for key in before if before[key] is not after[key]}
    assert changed == {"w_flux", "w_xsec", "w_branching", "w_decay", "w_sampling", "weight"}
    product = np.prod([after[key] for key in after if key.startswith("w_")], axis=0)
    np.testing.assert_allclose(product, after["weight"], rtol=1e-13)
    assert new.header.pot == pytest.approx(light.header.pot * 1e20 / 6.87e20, rel=1e-14)
    assert new.header.card_resolved["model"]["epsilon"] == 5e-4
    for channel in new.header.channels:
        assert channel["sum_w"] == pytest.approx(new["weight"][new["channel"] == channel["index"]].sum(), rel=1e-12)
        rate = channel["sum_w"] / new.header.pot * 1e20
        assert channel["rate"] == pytest.approx(rate, rel=1e-12)


def test_a_coupling_that_only_scales_scales_every_weight(light: Events) -> None:
    """Without Z exchange the rate goes with epsilon^2; the branching ratio of Z' -> e+e- with no rival stays 1."""
    one = light.reweight({"physics.z_exchange": False})
    two = one.reweight({"model.epsilon": 4e-4})
    np.testing.assert_allclose(two["weight"] / one["weight"], 0.25, rtol=1e-6)


def test_the_report_is_that_of_the_weights(light: Events) -> None:
    new = light.reweight({"physics.zprime_polarisation": False})
    report = new.header.extra["reweighting"]
    ratio = new["weight"] / light["weight"]
    assert report["changes"] == {"physics.zprime_polarisation": [True, False]}
    assert report["events"] == len(light)
    assert report["sum_w_before"] == pytest.approx(light.sum_w)
    assert report["sum_w"] == pytest.approx(new.sum_w)
    assert report["ess_before"] == pytest.approx(light.ess)
    assert report["ess"] == pytest.approx(new.ess)
    assert report["ratio_min"] == pytest.approx(ratio.min())
    assert report["ratio_max"] == pytest.approx(ratio.max())
    assert report["largest_share"] == pytest.approx(new["weight"].max() / new.sum_w)
    assert [c["events"] for c in report["channels"]] == [c["kept"] for c in light.header.channels]
    json.dumps(report, allow_nan=False)


def test_channels_without_a_rate_in_the_new_model_keep_their_events_with_weight_zero(light: Events) -> None:
    new = light.reweight({"physics.helicities": ["conserving"]})
    flipping = np.isin(new["channel"], [c["index"] for c in new.header.channels if c["helicity"] == "flipping"])
    assert 0 < flipping.sum() < len(new)
    assert np.all(new["weight"][flipping] == 0)
    np.testing.assert_array_equal(new["weight"][~flipping], light["weight"][~flipping])


def test_order_and_mixture_of_the_events_do_not_matter(light: Events, rng: np.random.Generator) -> None:
    order = rng.permutation(len(light))
    mixed = Events(
        light.header,
        {name: {key: np.asarray(c)[order] for key, c in table.items()} for name, table in light.topologies.items()},
    )
    changes = {"model.epsilon": 5e-4}
    np.testing.assert_array_equal(mixed.reweight(changes)["weight"], light.reweight(changes)["weight"][order])


def test_unweighted_events_become_weighted() -> None:
    sim = cards.simulation({**LIGHT, "physics.helicities": ["conserving"]})
    events = sim.run(2000, seed=1, unweighted=True)
    new = events.reweight({"model.epsilon": 4e-4, "physics.zprime_polarisation": False})
    assert not new.header.unweighted
    (channel,) = new.header.channels
    assert channel["attempted"] == len(events)
    pilot = events.header.channels[0]["rate_error"] / events.header.channels[0]["rate"]
    assert new.header.extra["reweighting"]["sum_w_error"] >= pilot * new.sum_w


# ------------------------------------------------------------------------------------------------------- refusals
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "mass": ({"model.m4": "107 MeV"}, "mass .* 0.106 in the events and 0.107"),
    "mediator": ({"model.mzprime": "31 MeV"}, "Z', which is on its shell"),
    "off shell": ({"model.mzprime": "1 GeV"}, "made otherwise"),
    "daughter": ({"model.utau4_sq": 2e-10}, "PDG code 16, but 50 %"),
    "nature": ({"model.hnl": "majorana"}, "PDG code -14, but 50 %"),
    "flights": ({"model.gD": 0.05}, "flights .* cover"),
    "nothing": ({"model.epsilon": 8e-4}, "nothing that changes"),
    "source": ({"source.mode": "antineutrino"}, "the flux is drawn from it"),
    "regions": ({"regions": ["tpc", "soil"]}, "where events were made"),
    "request": ({"generate.seed": 7}, "how many events were made"),
    "codes": ({"output.pdg_map.N4": 5999}, "names the particles"),
    "key": ({"model.epsilonn": 1e-3}, "unknown key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_events_cannot_stand_for_is_refused_with_the_reason(light: Events, name: str) -> None:
    changes, reason = REFUSED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PhysicsWarning)
        with pytest.raises(InputError, match=reason):
            light.reweight(changes)


def test_channels_that_were_not_made_are_named_with_what_is_missing() -> None:
    events = cards.simulation({**LIGHT, "physics.helicities": ["conserving"]}).run(1000, seed=1)
    header = events.header.replace(n_total=10**6)  # a run of that size would have made some of them
    with pytest.raises(InputError, match=r"0\.\d+ % of its events in channels .*flipping/tpc 0\.\d+ %"):
        Reweighting(header, {"physics.helicities": ["conserving", "flipping"]})
    few = Reweighting(events.header, {"physics.helicities": ["conserving", "flipping"]})
    assert 0 < few.missing_fraction < 1e-3


def test_weights_that_the_file_does_not_have_are_not_invented(light: Events) -> None:
    """Daughters that the file's model cannot make, as after a change of model that left them no weight."""
    (name, table), *_ = light.topologies.items()
    strange = np.full(len(light), 16, np.int32)
    with pytest.raises(InputError, match="gives no density"):
        Events(light.header, {name: {**table, "nu_out_pdg": strange}}).reweight({"model.epsilon": 1e-3})


def test_a_density_that_is_not_finite_names_the_event(light: Events) -> None:
    (name, table), *_ = light.topologies.items()
    momentum = np.array(table["n4_px"])
    momentum[17] = np.nan
    with pytest.raises(FloatingPointError, match=f"event {table['event_id'][17]} "):
        Events(light.header, {name: {**table, "n4_px": momentum}}).reweight({"model.epsilon": 1e-3})


def test_a_missing_column_and_another_version_are_told(light: Events) -> None:
    (name, table), *_ = light.topologies.items()
    with pytest.raises(InputError, match="no column 'q2'"):
        Events(light.header, {name: {k: v for k, v in table.items() if k != "q2"}}).reweight({"model.epsilon": 1e-3})
    with pytest.warns(PhysicsWarning, match=r"made by darkhorn 0\.0\.1"):
        Reweighting(light.header.replace(generator_version="0.0.1"), {"model.epsilon": 1e-3})


def test_few_effective_events_are_a_warning() -> None:
    events = cards.simulation({**LIGHT, "model.gD": 0.004}).run(3000, seed=1)
    reweighting = Reweighting(events.header, {"model.epsilon": 1e-3})
    uneven = Tally()
    weight = np.where(np.arange(3000) < 3, 1.0, 1e-6)
    uneven.add(np.ones(3000), weight, weight, 0)
    with pytest.warns(PhysicsWarning, match="effective sample size of 3000 only 3.006"):
        reweighting.report({0: uneven, 1: Tally()}, "memory")


def test_changed_keys_are_those_of_the_resolved_cards() -> None:
    one = load_card("microboone")
    assert changed_keys(one, load_card("microboone", {"model.umu4": 0.1, "exposure": "1e20 POT"})) == {
        "model.umu4_sq": (2e-10, 0.1**2),
        "exposure": ("6.87e+20 POT", "1e+20 POT"),
    }


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="a Z' of 1 GeV flies", category=PhysicsWarning)
        yield


def test_stages_whose_density_is_not_known_are_refused() -> None:
    """What `Reweighting` asks of every chain before it computes anything."""
    broken = cards.simulation(LIGHT)
    channel = broken.build.channels[0]
    params = as_float64(channel.params)
    stages = tuple(replace(s, density=None) if s.name == "xsec" else s for s in channel.chain.stages)
    assert stages_without_density(Chain(stages, channel.chain.prepare), params) == ["xsec"]
