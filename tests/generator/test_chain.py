"""The one idea: columns and weight are a pure function of parameters and uniform numbers."""

from collections.abc import Sequence
from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.chain import Chain, Params, Stage, State
from darkhorn.generator.device import as_float64, batch, events, weights_of
from darkhorn.generator.processes.dark_neutrino_chains import chain_of
from darkhorn.generator.processes.dark_neutrino_model import Scheme
from darkhorn.generator.processes.dark_neutrino_paths import Form
from darkhorn.generator.streams import channel_key, split_index, uniforms

LIGHT = Scheme(("N4",), (("N4", "nu"),), hadrons=False, virtual_hadrons=False)
FORM = Form(("vector",))
FORCED, FREE, BACKWARD = (chain_of(LIGHT, FORM, mode) for mode in ("forced", "free", "backward"))


def uniform_rows(n: int, dims: int = len(FORCED.dims), seed: int = 3) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(dims, n)))


def ready(overrides: dict[str, Any] | None = None, index: int = 0) -> tuple[Any, Any, jax.Array]:
    sim = cards.simulation(overrides or cards.ONE_CHANNEL)
    return (
        sim.build.channels[index],
        as_float64(sim.build.channels[index].params),
        jnp.asarray(sim.plan().channels[index].grid),
    )


def square(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    return {"x": u[0]}, u[0] * u[0]


def scaled(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    return {"y": state["x"] + u[1]}, params["scale"]


SQUARE, SCALED = Stage("square", ("a",), square, adapt=("a",)), Stage("scaled", ("a", "b"), scaled, adapt=("b",))


def test_a_chain_hands_each_stage_its_rows_and_multiplies_the_factors() -> None:
    chain = Chain((SQUARE, SCALED))
    u = uniform_rows(5, 3)
    out = chain({"scale": jnp.asarray(3.0)}, list(u))
    assert chain.dims == ("square.a", "scaled.a", "scaled.b")
    assert chain.adapted == (0, 2)
    np.testing.assert_array_equal(out["y"], u[0] + u[2])
    np.testing.assert_array_equal(out["w_square"], u[0] * u[0])
    np.testing.assert_array_equal(out["w_scaled"], np.full(5, 3.0))
    np.testing.assert_allclose(out["weight"], 3.0 * u[0] * u[0], rtol=1e-15)


def test_stages_that_share_or_invent_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="distinct"):
        Chain((SQUARE, SQUARE))
    with pytest.raises(ValueError, match="adapt"):
        Chain((Stage("one", ("a",), square, adapt=("b",)),))


@pytest.mark.parametrize(
    ("chain", "n"),
    # interpreted, every operation is compiled alone for every size: 40 s each where nothing is cached
    [(FORCED, 3), pytest.param(FORCED, 1001, marks=pytest.mark.slow), pytest.param(FREE, 7, marks=pytest.mark.slow)],
    ids=["3", "1001", "free, 7"],
)
def test_compiled_equals_interpreted_at_odd_sizes(chain: Chain, n: int) -> None:
    channel, params, grid = ready()
    names = tuple(name for name in channel.columns if not name.startswith("w_") or name in chain.factors)
    scale = jnp.asarray(1.0)
    u = uniform_rows(n)
    eager, _ = events(chain, names, params, grid, u, scale)
    compiled, finite = jax.jit(events, static_argnums=(0, 1))(chain, names, params, grid, u, scale)
    assert bool(finite.all())
    for name in names:
        a, b = np.asarray(eager[name]), np.asarray(compiled[name])
        # momenta lose digits against the energy, positions and times against the baseline
        size = np.max(np.abs(a)) if a.dtype.kind == "f" else 0.0
        # the probability to leave through a wall is exp(-distance / 0.01 cm) of a distance of 1000 cm
        rtol = 1e-10 if name in ("w_decay", "weight") else 1e-12
        np.testing.assert_allclose(b, a, rtol=rtol, atol=1e-13 * size, err_msg=name)


@pytest.mark.parametrize(
    "overrides",
    [
        {**cards.ONE_CHANNEL, "model.gD": 0.01},
        # derivatives of the width integrals: up to a minute of compilation each
        pytest.param({**cards.ONE_CHANNEL, "model.m4": "140 MeV", "model.mzprime": "1.25 GeV"}, marks=pytest.mark.slow),
        pytest.param(
            {
                **cards.ONE_CHANNEL,
                "model.umu4_sq": 0.0,
                "model.umu5_sq": 2e-10,
                "model.m5": "200 MeV",
                "model.mzprime": "1 GeV",
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["light", "heavy", "dual"],
)
def test_gradient_of_the_rate_is_the_finite_difference_with_the_same_random_numbers(overrides: dict[str, Any]) -> None:
    """With respect to the logarithms of what a card sets: through cross section, width, lifetime and decay."""
    channel, params, grid = ready(overrides)
    u = uniform_rows(2000, len(channel.chain.dims))

    def log_rate(logs: dict[str, jax.Array]) -> jax.Array:
        model = {**params["model"], **{key: jnp.exp(value) for key, value in logs.items()}}
        return jnp.log(jnp.mean(weights_of(channel.chain, {**params, "model": model}, grid, u)))

    heaviest = max(key for key in params["model"] if key in ("m4", "m5"))
    logs = {key: jnp.log(params["model"][key]) for key in (heaviest, "mzprime", "epsilon", "gD")}
    value, gradient = jax.jit(log_rate), jax.jit(jax.grad(log_rate))(logs)
    for key, x in logs.items():
        difference = (value({**logs, key: x + 1e-5}) - value({**logs, key: x - 1e-5})) / 2e-5
        assert float(difference) != 0.0
        assert float(gradient[key]) == pytest.approx(float(difference), rel=1e-3, abs=1e-5), key


POINTS = (
    {"model.m4": "106 MeV", "model.mzprime": "30 MeV"},
    {"model.m4": "250 MeV", "model.mzprime": "60 MeV", "model.epsilon": 2e-4},
    {"model.m4": "60 MeV", "model.mzprime": "15 MeV", "model.gD": 0.02},
)


def test_a_scan_by_vmap_equals_the_loop() -> None:
    found = [ready({**cards.ONE_CHANNEL, **point}) for point in POINTS]
    u, grid = uniform_rows(501), found[0][2]
    each = [jax.jit(weights_of, static_argnums=0)(FORCED, params, grid, u) for _, params, _ in found]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(params for _, params, _ in found))
    together = jax.jit(jax.vmap(lambda params: weights_of(FORCED, params, grid, u)))(stacked)
    assert together.shape == (3, 501)
    for one, row in zip(each, together, strict=True):
        np.testing.assert_allclose(row, one, rtol=1e-11)


def test_masses_couplings_helicity_flavour_and_nuclide_are_data_of_one_program() -> None:
    traces: list[int] = []

    def count(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
        traces.append(1)
        return {}, jnp.ones(())

    chain = Chain((Stage("count", (), count), *FORCED.stages), FORCED.prepare)
    oil = {
        "detector": {"base": "microboone", "volumes": {"tpc": {"material": "mineral-oil"}}},
        "physics.regimes": ["coherent"],
    }
    sims = [cards.simulation({**oil, **point}) for point in POINTS]
    argon = cards.simulation({"physics.regimes": ["coherent"]})
    channels = [channel for sim in sims for channel in sim.build.channels]
    assert {channel.helicity for channel in channels} == {"conserving", "flipping"}
    assert {channel.projectile_pdg for channel in channels} == {14, -14}
    same_shape = [c for c in argon.build.channels if _shapes(c.params) == _shapes(channels[0].params)]
    grid = jnp.asarray(sims[0].plan().channels[0].grid)
    low, high = (jnp.asarray(word) for word in split_index(np.arange(64, dtype=np.uint64)))
    sums = []
    for channel in channels + same_shape:
        key = jnp.asarray(channel_key(1, channel.name))
        params = as_float64(channel.params)
        wanted, scale = jnp.ones(64, bool), jnp.asarray(1.0)
        state, _, _ = batch(chain, channel.columns, params, grid, key, low, high, wanted, scale)
        sums.append(float(state["weight"].sum()))
    assert len(traces) == 1
    assert len(set(sums)) == len(sums)


def _shapes(tree: Any) -> list[tuple[int, ...]]:
    return [np.shape(leaf) for leaf in jax.tree.leaves(tree)]


def test_uniforms_of_an_event_do_not_depend_on_its_neighbours() -> None:
    key = jnp.asarray(channel_key(7, "somewhere"))
    index = np.array([5, 2**32 + 5, 123456789012, 0], np.uint64)
    low, high = (jnp.asarray(word) for word in split_index(index))
    together = np.asarray(uniforms(key, low, high, 4))
    alone = np.asarray(uniforms(key, low[2:3], high[2:3], 4))
    np.testing.assert_array_equal(together[:, 2:3], alone)
    np.testing.assert_array_equal(np.asarray(uniforms(key, low, high, 6))[:4], together)
    assert len(np.unique(together)) == together.size
    assert (together >= 0).all()
    assert (together < 1).all()
