"""Importance maps of a scan: which rows train, what lies between them, and maps shared by channels."""

from collections.abc import Sequence
from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.chain import Chain, Params, Stage, State, rate_chain
from darkhorn.generator.device import MAP_BINS, as_float64
from darkhorn.generator.processes.dark_neutrino_paths import READS as READS_OF
from darkhorn.generator.scan_grid import Grid
from darkhorn.generator.scan_maps import ANCHORS, Anchor, Maps, Trainee, anchors_of, train_maps
from darkhorn.generator.scan_points import _rows
from darkhorn.kernels.vegas import flat_map, warp


def anchors(grid: Grid) -> list[Anchor]:
    return anchors_of(_rows(grid, list(grid.indices()), 128), grid)


def test_few_rows_all_train() -> None:
    for n in (1, 2, ANCHORS):
        masses = "100 MeV" if n == 1 else f"100 MeV:200 MeV:{n}"
        found = anchors(Grid.of({"model.m4": [masses] if n == 1 else masses, "model.gD": "1,2"}))
        assert found == [Anchor(i, i, 0.0) for i in range(n)]


def test_rows_between_anchors_are_interpolated() -> None:
    found = anchors(Grid.of({"model.m4": "100 MeV:200 MeV:100", "model.gD": "1,2"}))
    trained = sorted({a for anchor in found for a in (anchor.below, anchor.above)})
    assert len(trained) == ANCHORS
    assert (trained[0], trained[-1]) == (0, 99)
    for row, anchor in enumerate(found):
        assert anchor.below + anchor.share * (anchor.above - anchor.below) == pytest.approx(row, abs=1e-12)
        assert 0 <= anchor.share < 1


def test_rows_that_differ_in_more_than_a_number_have_nothing_in_common() -> None:
    grid = Grid.of({"model.hnl": "dirac,majorana", "model.m4": "100 MeV:200 MeV:40", "model.gD": "1,2"})
    found = anchors(grid)
    assert all((anchor.below < 40) == (anchor.above < 40) == (row < 40) for row, anchor in enumerate(found))
    words = anchors(Grid.of({"model.hnl": "dirac,majorana", "model.gD": "1,2"}))
    assert words == [Anchor(0, 0, 0.0), Anchor(1, 1, 0.0)]


def test_an_interpolated_map_is_a_map(rng: np.random.Generator) -> None:
    edges = [np.sort(np.r_[0, rng.random(MAP_BINS - 1), 1])[None] for _ in range(2)]
    maps = Maps([Anchor(0, 1, 0.3)], lambda row: {"pool": jnp.asarray(edges[row])})
    grid = maps.of(0)["pool"]
    assert (np.diff(np.asarray(grid)) > 0).all()
    centres = jnp.asarray((np.arange(MAP_BINS) + 0.5)[None] / MAP_BINS)
    assert float(jnp.mean(warp(grid, centres)[1])) == pytest.approx(1.0, rel=1e-13)
    np.testing.assert_allclose(grid, 0.7 * edges[0] + 0.3 * edges[1], rtol=1e-14)


# -------------------------------------------------------------------------------------------------------- training
def peak(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    z = (u[0] - params["centre"]) / 0.03
    return {}, params["height"] * jnp.exp(-z * z / 2)


CHAIN = Chain((Stage("peak", ("x",), peak, adapt=("x",)),))
LAYOUT = (jax.tree.structure({"height": 0.0}), (True,))


def trainee(pool: str, centre: float, heights: Sequence[float]) -> Trainee:
    params = {"centre": jnp.asarray(centre)}
    return Trainee(pool, f"{pool}-{centre}", CHAIN, LAYOUT, params, [], [jnp.asarray(heights)])


def efficiency(grid: jax.Array, centre: float, rng: np.random.Generator) -> float:
    """Effective over all events of the peak at `centre`, sampled through a map. 0.1 with the flat one."""
    x, jacobian = warp(grid, jnp.asarray(rng.random((1, 20_000))))
    weight = np.asarray(jnp.exp(-(((x[0] - centre) / 0.03) ** 2) / 2) * jacobian)
    return float(weight.sum() ** 2 / np.square(weight).sum() / len(weight))


def test_a_pool_covers_what_each_of_its_channels_needs(rng: np.random.Generator) -> None:
    """Two channels of one pool in different places, another pool of its own: efficiencies, against the flat map."""
    made = train_maps([trainee("a", 0.2, [1.0]), trainee("b", 0.5, [1.0]), trainee("a", 0.8, [1.0])], 1)
    assert set(made) == {"a", "b"}
    assert efficiency(made["b"], 0.5, rng) > 0.7
    assert min(efficiency(made["a"], centre, rng) for centre in (0.2, 0.8)) > 0.3
    assert efficiency(made["b"], 0.2, rng) < 0.05
    assert efficiency(flat_map(1, MAP_BINS), 0.2, rng) < 0.15


def test_every_point_counts_by_its_own_events(rng: np.random.Generator) -> None:
    """At the second point all channels are a million times smaller, and the peak at 0.8 is all there is: it is not
    forgotten. At the third nothing is expected.
    """
    made = train_maps([trainee("a", 0.2, [1.0, 0.0, 0.0]), trainee("a", 0.8, [0.0, 1e-6, 0.0])], 1)
    assert min(efficiency(made["a"], centre, rng) for centre in (0.2, 0.8)) > 0.3


def test_small_channels_are_left_to_themselves(rng: np.random.Generator) -> None:
    made = train_maps([trainee("a", 0.2, [1.0]), trainee("a", 0.8, [1e-3])], 1)
    assert efficiency(made["a"], 0.2, rng) > 0.65


# ------------------------------------------------------------------------------------------------ shared programs
READS = READS_OF["vector"]


def test_what_prepare_reads_is_all_it_needs() -> None:
    channel = cards.simulation(cards.ONE_CHANNEL).build.channels[0]
    params = as_float64(channel.params)
    assert channel.chain.reads == READS
    names = ("model", *READS)
    full, part = channel.chain.prepare(params), channel.chain.prepare({name: params[name] for name in names})
    for name in set(full) - set(params):
        assert jax.tree.all(jax.tree.map(np.array_equal, full[name], part[name])), name
    for lacking in set(READS) - {"polarised"}:  # that one is of cascades
        with pytest.raises(KeyError, match=lacking):
            channel.chain.prepare({name: params[name] for name in names if name != lacking})


def test_chains_that_differ_in_what_a_rate_does_not_need_become_equal() -> None:
    channel = cards.simulation(cards.ONE_CHANNEL).build.channels[0]
    params: Any = channel.chain.prepare(as_float64(channel.params))
    renamed = Stage("names", (), lambda params, state, u: ({"other": state["n4_e"]}, None), weighs=False)
    longer = Chain((*channel.chain.stages, renamed), channel.chain.prepare, READS)
    assert longer != channel.chain
    assert rate_chain(longer, params) == rate_chain(channel.chain, params)
