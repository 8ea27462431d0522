"""A Z' that flies: the two flights against their law, forced against free and backward against forward sampling."""

from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, PULL, assert_follows, ks_probability
from numpy.typing import NDArray

from darkhorn.generator.device import as_float64, pilot
from darkhorn.generator.events import Events
from darkhorn.generator.processes.dark_neutrino_chains import chain_of
from darkhorn.generator.processes.dark_neutrino_displaced import two_flights
from darkhorn.generator.processes.dark_neutrino_model import DISPLACED, scheme_of
from darkhorn.generator.processes.dark_neutrino_paths import Form
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.streams import channel_key
from darkhorn.kernels.constants import SPEED_OF_LIGHT
from darkhorn.kernels.errors import InputError

Real = NDArray[np.float64]
# c tau gamma beta of metres for N4 and for its Z'
FLYING: dict[str, Any] = {
    **cards.ONE_CHANNEL,
    "model.epsilon": 1e-5,
    "model.gD": 2e-3,
    "model.umu4_sq": 1e-9,
}
N = 100_000
draw = jax.jit(two_flights)


def flights(rng: np.random.Generator, near: float, far: float, first: float, second: float) -> tuple[Real, Real, Real]:
    u = [jnp.asarray(row) for row in rng.random((2, N))]
    lengths = [jnp.full(N, value) for value in (near, far, first, second)]
    l_1, l_2, weight = draw(u, *lengths)
    return np.asarray(l_1), np.asarray(l_2), np.asarray(weight)


def probability(near: float, far: float, first: float, second: float) -> float:
    """Of near < l1 + l2 < far: difference of the distribution function of a sum of two exponentials."""

    def above(x: float) -> float:
        if first == second:
            return float((1 + x / first) * np.exp(-x / first))
        return float((first * np.exp(-x / first) - second * np.exp(-x / second)) / (first - second))

    return above(near) - above(far)


@pytest.mark.parametrize(("first", "second"), [(3.0, 40.0), (40.0, 3.0), (20.0, 20.0), (1e-6, 30.0), (1e3, 1e4)])
@pytest.mark.parametrize(("near", "far"), [(0.0, 25.0), (60.0, 90.0)])
def test_two_flights_have_the_probability_of_their_sum(
    near: float, far: float, first: float, second: float, rng: np.random.Generator
) -> None:
    l_1, l_2, weight = flights(rng, near, far, first, second)
    assert (l_1 >= 0).all() and (l_2 >= 0).all()  # noqa: PT018
    assert ((l_1 + l_2 > near * (1 - 1e-12)) & (l_1 + l_2 < far * (1 + 1e-12))).all()
    error = weight.std() / np.sqrt(N)
    assert abs(weight.mean() - probability(near, far, first, second)) < PULL * error + 1e-6
    assert weight.mean() ** 2 / np.mean(weight**2) > 0.5


def test_the_first_flight_follows_the_exact_law(rng: np.random.Generator) -> None:
    """At fixed sum it is a cut exponential; and the test sees a rate that is wrong by 5 %."""
    first, second, near, far = 3.0, 5.0, 9.0, 10.0
    l_1, l_2, _ = flights(rng, near, far, first, second)
    t, rate = l_1 + l_2, 1 / first - 1 / second
    assert_follows(np.expm1(-rate * l_1) / np.expm1(-rate * t))
    wrong = 1.05 * rate
    assert ks_probability(np.expm1(-wrong * l_1) / np.expm1(-wrong * t)) < ALPHA


@pytest.fixture(scope="module")
def forced() -> Events:
    return cards.simulation(FLYING).run(6000, seed=1)


def test_the_record_of_a_flying_zprime(forced: Events) -> None:
    (name,) = forced.topologies
    assert name == "whole_target_zprime_ee_displaced"
    table = forced.topologies[name]
    places = {
        key: np.stack([table[f"{key}_{axis}"] for axis in "xyz"], axis=1)
        for key in ("scatter", "decay", "zprime_decay")
    }
    for start, end, role in (("scatter", "decay", "n4"), ("decay", "zprime_decay", "zprime")):
        way = places[end] - places[start]
        p = np.stack([table[f"{role}_p{axis}"] for axis in "xyz"], axis=1)
        length, momentum = np.linalg.norm(way, axis=1), np.linalg.norm(p, axis=1)
        assert np.max(np.abs(way - p * (length / momentum)[:, None])) < 1e-8
        taken = table[f"{end}_t"] - table[f"{start}_t"]
        np.testing.assert_allclose(taken, length * table[f"{role}_e"] / momentum / SPEED_OF_LIGHT, rtol=1e-6, atol=1e-7)
        assert np.mean(length) > 10.0
    half = np.array([256.35, 233.0, 1036.8]) / 2
    centre = np.asarray(cards.simulation(FLYING).build.channels[0].params["region"].centre)
    assert (np.abs(places["zprime_decay"] - centre) < half + 1e-6).all()
    assert (np.abs(places["decay"] - centre) > half).any(axis=1).any()  # N may decay outside
    factors = np.prod([table[c] for c in table if c.startswith("w_")], axis=0)
    np.testing.assert_allclose(factors, table["weight"], rtol=1e-12)


def rate(simulation: Simulation, mode: str) -> tuple[float, float]:
    """Expected decays of the Z' inside and their error."""
    scheme = scheme_of(simulation.card)
    assert scheme.displaced
    chain = chain_of(scheme, Form(("vector",), displaced=True), mode)
    (channel,) = simulation.build.channels
    params = chain.prepare(as_float64(channel.params))
    found = pilot(chain.bare, params, jnp.asarray(channel_key(1, channel.name, mode)), 1 << 14)
    mean = float(found["mean"])
    return mean, ((float(found["square"]) - mean**2) / (6 * (1 << 14))) ** 0.5


def test_forced_and_free_sampling_have_the_same_rate() -> None:
    wanted, error = rate(cards.simulation(FLYING), "forced")
    free = cards.simulation({**FLYING, "force_decay": False}).run(60_000, seed=1)
    table = next(iter(free.topologies.values()))
    weight = table["weight"] * table["zprime_decay_inside"]
    both = np.hypot(error, np.sqrt(np.sum(weight**2)))
    assert abs(weight.sum() - wanted) < PULL * both
    # where N decays is another matter: the test would see the flight of the Z' left out
    assert abs(np.sum(table["weight"] * table["decay_inside"]) - wanted) > PULL * both


@pytest.mark.parametrize(
    "parallel", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["from a decay line", "parallel"]
)
def test_backward_sampling_gives_the_same_rate_as_forward(parallel: bool) -> None:
    """A slab of sand just upstream of the TPC, N4 and Z' that fly for metres."""
    card = {**cards.PEER_BOX, "regions": ["slab"], "physics": {"regimes": ["coherent"], "helicities": ["conserving"]}}
    slab = {"shape": "box", "centre": ["0 cm", "0 cm", "-900 cm"], "size": ["3 m"] * 3, "material": "silicon"}
    volumes = {**card["detector"]["volumes"], "slab": slab}
    silicon = {"silicon": {"density": "2.3 g/cm3", "composition": {"Si28": 1.0}}}
    card["detector"] = {**card["detector"], "volumes": volumes, "materials": silicon}
    card["model"] = {**card["model"], "epsilon": 1e-5, "gD": 5e-3, "umu4_sq": 1e-9}
    if parallel:
        card["source"] = {**card["source"], "decay_line": None}
    simulation = cards.simulation({}, card)
    backward, forward = rate(simulation, "backward"), rate(simulation, "forced")
    assert forward[1] < 0.03 * forward[0]
    assert backward[1] < 0.01 * backward[0]
    assert abs(backward[0] - forward[0]) < PULL * np.hypot(backward[1], forward[1])


def test_it_is_used_only_where_it_matters() -> None:
    """The mean flight at 1 GeV is c tau/m, c tau ~ 1/epsilon^2: the boundary lies at 0.1 cm."""
    flown = {}
    for epsilon in (8e-4, 3.0e-4, 2.9e-4, 1e-4):
        simulation = cards.simulation({"model.epsilon": epsilon})
        rows = [row for row in simulation.widths() if row["particle"] == "Zprime" and "ctau_cm" in row]
        flown[epsilon] = rows[0]["ctau_cm"] / 0.03
        assert scheme_of(simulation.card).displaced == (flown[epsilon] > DISPLACED)
    assert min(flown.values()) < DISPLACED < max(flown.values())


def agree(events: Events, other: Simulation) -> float:
    """Sum of the weights of events against the expected events of a card, in units of the error."""
    error = events.header.extra["reweighting"]["sum_w_error"]
    return float(
        (events.sum_w - other.plan(1).rate) / np.hypot(error, sum(c.rate_error for c in other.plan(1).channels))
    )


def test_stored_flights_take_the_weights_of_another_model(forced: Events) -> None:
    """Both lives and the scattering change; so does the vertex of the pair."""
    changes = {"model.epsilon": 1.4e-5, "model.gD": 2.4e-3}
    new, other = forced.reweight(changes), cards.simulation({**FLYING, **changes})
    assert new.header.extra["reweighting"]["flight_coverage"] == pytest.approx(1.0, abs=0.02)
    assert abs(agree(new, other)) < PULL
    without = forced.reweight({"model.gD": 2.4e-3})
    assert abs(agree(without, other)) > PULL  # the test would see the life of the Z' left out


def test_a_file_that_lets_its_zprime_fly_goes_across_the_border() -> None:
    """From 2 mm to 0.2 mm on average at 1 GeV, which is not far from a flight of length zero."""
    card, prompt = {**cards.ONE_CHANNEL, "model.epsilon": 2e-4}, {"model.epsilon": 6e-4}
    with pytest.raises(InputError, match=r"at a place of its own \(physics.zprime_flight\)"):
        cards.simulation(card).run(500, seed=1).reweight(prompt)
    events = cards.simulation({**card, "physics.zprime_flight": "always"}).run(6000, seed=1)
    new = events.reweight(prompt)
    assert list(new.topologies) == ["whole_target_zprime_ee_displaced"]
    assert new.sum_w > 5 * events.sum_w
    assert abs(agree(new, cards.simulation({**cards.ONE_CHANNEL, **prompt}))) < PULL
    # N4 decays within a millimetre in every event: where it flies for metres, nearly all of its events are lacking
    with pytest.raises(InputError, match="flights of which the events cover"):
        events.reweight({"model.gD": 0.02})
    never = cards.simulation({**card, "physics.zprime_flight": "never"})
    assert not scheme_of(never.card).displaced
