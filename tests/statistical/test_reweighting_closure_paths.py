"""A reweighted sample is the sample that the other model makes: cascades by every mediator, a Z' that flies, a line
shape.

Each comparison of a shape rejects the truth with probability SHAPE, each sum with that of PULL: with 40 pairs and 21
shapes at most, one run in 10 000 fails.
"""

from typing import Any

import cards
import closure
import numpy as np
import pytest
from goodness import PULL

from darkhorn.generator.events import Events
from darkhorn.generator.runcard import load_card

SHAPE = 1e-7
TWO_PAIRS: dict[str, Any] = {
    **cards.ONE_CHANNEL,
    "model.m4": "20 MeV",  # more than half of the Z', which is narrow then
    "model.m5": "100 MeV",
    "model.m6": "250 MeV",
    "model.mzprime": "30 MeV",
}
BROAD: dict[str, Any] = {
    **cards.ONE_CHANNEL,
    "model.m4": "100 MeV",
    "model.mzprime": "60 MeV",
    "model.umu4_sq": 0.0,
    "physics.line_shape": True,
}
FLIPPING: dict[str, Any] = {**cards.ONE_CHANNEL, "physics.helicities": ["flipping"]}
STATES = {"name": "dark-neutrino", "m4": "60 MeV", "m5": "150 MeV", "m6": "250 MeV"}
DIPOLE = {**STATES, "mediator": "dipole", "mu_tr_mu6": "1e-6 GeV^-1"}
SCALAR = {**STATES, "mediator": "scalar", "s_mu6": 1e-4, "vertices": {"p_S": 1e-3, "n_S": 1e-3, "e_S": 3e-3}}
MODELS: dict[str, dict[str, Any]] = {  # of the kinds that are no Z'; the rest of their models is in `point`
    "cascade, photons": {**DIPOLE, "hnl": "dirac", "mu_tr_65": "3e-6 GeV^-1", "mu_tr_54": "3e-6 GeV^-1"},
    "cascade, photon and pair": {**DIPOLE, "hnl": "dirac", "mu_tr_65": "3e-6 GeV^-1", "mu_tr_54": "3e-6 GeV^-1"},
    "cascade, scalars": {**SCALAR, "hnl": "dirac", "mhprime": "1 GeV", "s_65": 1.0, "s_54": 1.0},
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "cascade": ("microboone-three-states", cards.ONE_CHANNEL),
    "cascade, free": ("microboone-three-states", {**cards.ONE_CHANNEL, "force_decay": False}),
    "cascade, on shell": ("microboone-three-states", TWO_PAIRS),
    "flying": ("microboone", cards.ONE_CHANNEL),
    "flying, free": ("microboone", {**cards.ONE_CHANNEL, "force_decay": False}),
    "flying, soil": (
        "microboone",
        {**cards.ONE_CHANNEL, "regions": ["soil"], "model.m4": "200 MeV", "model.mzprime": "60 MeV"},
    ),
    "line shape": ("microboone", BROAD),
    "cascade, photons": ("microboone", {**FLIPPING, "generate.visible": "gamma"}),
    "cascade, photon and pair": ("microboone", {**FLIPPING, "generate.visible": ["gamma", "e+e-"]}),
    "cascade, scalars": ("microboone", FLIPPING),
}
PLACES = ("flight", "second flight", "flight of Z'")


def point(rng: np.random.Generator, kind: str) -> tuple[dict[str, Any], tuple[float, ...]]:
    """A random model of a kind, and how long its states live, up to factors: 1/(g_D U)^2 on shell, 1/epsilon^2 for the
    Z', m_Z'^4/(g_D epsilon)^2 off shell.
    """

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    if kind in ("cascade", "cascade, free"):
        mass, epsilon, coupling = log_uniform(0.5, 1.5), log_uniform(2e-3, 8e-3), rng.uniform(1.0, 3.0)
        model = {"model.mzprime": f"{mass} GeV", "model.epsilon": epsilon, "model.gD": coupling}
        return {**model, "model.hnl": str(rng.choice(["dirac", "majorana"]))}, (mass**4 / (coupling * epsilon) ** 2,)
    if kind == "cascade, on shell":
        model = {"model.epsilon": log_uniform(4e-4, 3e-3), "model.gD": rng.uniform(0.5, 2.0)}
        model |= {"model.ud5": rng.uniform(0.5, 1.0), "physics.zprime_polarisation": bool(rng.integers(2))}
        return {**model, "model.hnl": str(rng.choice(["dirac", "majorana"]))}, ()
    if kind == "line shape":
        model = {"model.m5": f"{rng.uniform(190.0, 215.0)} MeV", "model.gD": rng.uniform(0.5, 2.5)}
        model |= {"model.umu5_sq": log_uniform(1e-10, 1e-9), "model.epsilon": log_uniform(4e-4, 3e-3)}
        return {**model, "model.hnl": str(rng.choice(["dirac", "majorana"]))}, ()
    if kind in ("cascade, photons", "cascade, photon and pair"):
        first, second = log_uniform(1e-6, 6e-6), log_uniform(1e-6, 6e-6)
        model = {"model.mu_tr_65": f"{first} GeV^-1", "model.mu_tr_54": f"{second} GeV^-1"}
        return {**model, "model.mu_tr_mu6": f"{log_uniform(1e-7, 1e-6)} GeV^-1"}, (first**-2, second**-2)
    if kind == "cascade, scalars":
        mass, first, second = log_uniform(0.5, 2.0), log_uniform(0.3, 2.0), log_uniform(0.3, 2.0)
        model = {"model.mhprime": f"{mass} GeV", "model.s_65": first, "model.s_54": second}
        hnl = str(rng.choice(["dirac", "majorana"]))
        life = mass**4 * (2 if hnl == "dirac" else 1)
        return {**model, "model.hnl": hnl}, (life / first**2, life / second**2)
    low, high = (1e-6, 4e-6) if kind == "flying, soil" else (5e-6, 4e-5)
    epsilon, coupling, mixing = log_uniform(low, high), log_uniform(1e-3, 4e-3), log_uniform(3e-10, 3e-9)
    model = {"model.epsilon": epsilon, "model.gD": coupling, "model.umu4_sq": mixing}
    return {**model, "physics.z_exchange": bool(rng.integers(2))}, (1 / (coupling**2 * mixing), epsilon**-2)


def pair_of(rng: np.random.Generator, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two models, the second of which has its events among those of the first: nothing lives much longer."""
    while True:
        (one, before), (two, after) = point(rng, kind), point(rng, kind)
        if all(0.3 < b / a < 1.2 for a, b in zip(before, after, strict=True)):
            return one, two


def made(kind: str, model: dict[str, Any], n: int, seed: int) -> Events:
    name, base = KINDS[kind]
    card: str | dict[str, Any] = name
    if kind in MODELS:
        card = {**load_card(name).resolved(), "model": MODELS[kind]}
        card = {key: value for key, value in card.items() if key not in ("output", "generate")}
    return cards.simulation({**base, **model}, card).run(n, seed=seed)


def check(kind: str, one: dict[str, Any], two: dict[str, Any], n: int, seed: int = 5) -> tuple[dict[str, float], float]:
    """Compare samples of the seeds `seed` and seed + 1, topology by topology, and assert that the two agree: (shapes
    and pull of the events with the most particles).
    """
    changes = {key: value for key, value in two.items() if one[key] != value}
    reweighted, direct = made(kind, one, n, seed).reweight(changes), made(kind, two, n, seed + 1)
    report = reweighted.header.extra["reweighting"]
    assert report["flight_coverage"] > 0.98
    compared: list[tuple[dict[str, float], float]] = []
    for name in sorted(set(reweighted.topologies) & set(direct.topologies), key=len):
        events, other = reweighted.select(name), direct.select(name)
        if min(events.ess, other.ess) < 300:  # a chi^2 of twenty bins would say little
            continue
        seen = closure.observables(other)  # flights below 1 cm are not far above the flight resolution of 1 mm
        short = [place for place in PLACES if place in seen and np.median(seen[place]) < 1.0]
        shapes, pull = closure.compare(events, other, without=short)
        assert min(shapes.values()) > SHAPE, f"{kind} {name} {one} -> {two}: {closure.shown(shapes)}"
        assert abs(pull) < PULL, f"{kind} {name} {one} -> {two}: {pull}"
        compared.append((shapes, pull))
    assert ("second flight" in closure.observables(other)) == ("cascade" in kind)
    return compared[-1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flying", "line shape", "cascade, photons"])
def test_one_pair_of_points(kind: str, rng: np.random.Generator) -> None:
    one, two = pair_of(rng, kind)
    check(kind, one, two, 20_000)


@pytest.mark.study
@pytest.mark.parametrize("kind", KINDS)
def test_four_pairs_of_points(kind: str, rng: np.random.Generator) -> None:
    pulls = []
    for i in range(4):
        one, two = pair_of(rng, kind)
        # seeds of their own: the same uniform numbers would make the pairs err together
        shapes, pull = check(kind, one, two, 50_000, seed=300 + 2 * i)
        print(kind, one, two, f"pull {pull:.2f};", closure.shown(shapes), flush=True)
        pulls.append(pull)
    # independent numbers, so that small biases add up
    assert abs(np.sum(pulls)) < PULL * np.sqrt(len(pulls))
