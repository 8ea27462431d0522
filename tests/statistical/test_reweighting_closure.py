"""A reweighted sample is the sample that the other model makes: random pairs of points, several schemes.

Each comparison of a shape rejects the truth with probability SHAPE, each sum with that of PULL: with 20 pairs and ten
shapes each, one run in 20 000 fails.
"""

from typing import Any

import cards
import closure
import numpy as np
import pytest
from goodness import PULL, ks_probability

from darkhorn.generator.events import Events

SHAPE = 1e-7
COMMON = {"source.flavours": ["nu_mu"], "physics.regimes": ["coherent"]}
DUAL = {"model.m4": "100 MeV", "model.m5": "200 MeV", "model.umu4_sq": 0.0, "model.umu5_sq": 2e-10}
SCHEMES: dict[str, tuple[str, dict[str, Any]]] = {
    "light": ("microboone", COMMON),
    "virtual": ("microboone", {**COMMON, "model.m4": "140 MeV", "model.umu4_sq": 1e-6}),
    "two states": ("microboone", {**COMMON, **DUAL}),
    "soil": ("microboone-soil", {**COMMON, "regions": ["soil"], "physics.helicities": ["conserving"]}),
}


def point(rng: np.random.Generator, scheme: str) -> dict[str, Any]:
    """A random model of a scheme."""

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    found: dict[str, Any] = {"model.epsilon": log_uniform(2e-4, 3e-3), "model.gD": rng.uniform(1.0, 3.0)}
    if scheme == "light":
        found |= {"model.umu4_sq": log_uniform(2e-10, 2e-9), "model.gD": rng.uniform(1.8, 3.0)}
        found["model.epsilon"] = log_uniform(3.5e-4, 3e-3)  # below, the Z' flies
        return {**found, "physics.z_exchange": bool(rng.integers(2))}
    # a Z' lighter than N5 is on shell in N5 -> nu Z', which are channels that other points do not have
    low = {"virtual": 0.2, "two states": 0.21, "soil": 0.5}[scheme]
    found["model.mzprime"] = f"{log_uniform(low, 2.0)} GeV"
    return {**found, "model.hnl": str(rng.choice(["dirac", "majorana"]))}


def length_scale(scheme: str, model: dict[str, Any]) -> float:
    """How long N lives, up to a factor: 1/(g_D U)^2 on shell; N5 off shell m_Z'^4 / (g_D epsilon)^2."""
    if scheme == "light":
        return 1 / (model["model.gD"] ** 2 * model["model.umu4_sq"])
    mass = float(str(model["model.mzprime"]).split()[0])
    return mass**4 / (model["model.gD"] * model["model.epsilon"]) ** 2


def pair_of(rng: np.random.Generator, scheme: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two models, the second of which has its events among those of the first: it does not live longer, and the
    daughters of one state have the same codes.

    In the soil both live long enough to cross it: where N5 decays within a metre, generated samples of 50 000 events
    have effective sizes of 10 to 6000, from seed to seed, and no chi^2 compares two of them (measured at length_scale
    4e4: 1e-28 for two generated ones).
    """
    shortest = 3e5 if scheme == "soil" else 0.0
    while True:
        one, two = point(rng, scheme), point(rng, scheme)
        if scheme == "virtual":
            two["model.hnl"] = one["model.hnl"]
        if scheme == "virtual":
            return one, two
        before, after = (length_scale(scheme, model) for model in (one, two))
        if min(before, after) > shortest and 0.2 < after / before < 1.2:
            return one, two


def made(scheme: str, model: dict[str, Any], n: int, seed: int) -> Events:
    card, base = SCHEMES[scheme]
    return cards.simulation({**base, **model}, card).run(n, seed=seed)


def check(
    scheme: str, one: dict[str, Any], two: dict[str, Any], n: int, seed: int = 5
) -> tuple[dict[str, float], float]:
    """Compare samples of the seeds `seed` and seed + 1, and assert that the two agree."""
    changes = {key: value for key, value in two.items() if one[key] != value}
    reweighted, direct = made(scheme, one, n, seed).reweight(changes), made(scheme, two, n, seed + 1)
    report = reweighted.header.extra["reweighting"]
    assert report["ess"] > 50
    shapes, pull = closure.compare(reweighted, direct)
    if np.median(closure.observables(direct)["flight"]) < 1.0:
        shapes.pop("flight")  # cm; not far above the flight resolution of 1 mm, or below it
    assert min(shapes.values()) > SHAPE, f"{scheme} {one} -> {two}: {closure.shown(shapes)}"
    assert abs(pull) < PULL, f"{scheme} {one} -> {two}: {pull}"
    return shapes, pull


@pytest.mark.parametrize("scheme", ["light", "two states"])
def test_one_pair_of_points(scheme: str, rng: np.random.Generator) -> None:
    one, two = pair_of(rng, scheme)
    check(scheme, one, two, 20_000)


@pytest.mark.study
def test_twenty_pairs_of_points(rng: np.random.Generator) -> None:
    found: list[tuple[str, dict[str, float], float]] = []
    for scheme in SCHEMES:
        for _ in range(5):
            one, two = pair_of(rng, scheme)
            # seeds of their own: the same uniform numbers would make the pairs err together
            found.append((scheme, *check(scheme, one, two, 50_000, seed=100 + 2 * len(found))))
            print(scheme, one, two, f"pull {found[-1][2]:.2f};", closure.shown(found[-1][1]))
    # independent numbers, so that small biases add up
    assert ks_probability([pull for _, _, pull in found], "norm") > 1e-5
    for name in ("q2", "opening angle"):
        assert ks_probability([shapes[name] for _, shapes, _ in found]) > 1e-5, name


def test_the_comparison_sees_a_wrong_mass_and_a_wrong_nature() -> None:
    """Power: a mediator 20 % off, and a Dirac N5 taken for a Majorana one, whose rates could be scaled away."""
    model = {"model.mzprime": "250 MeV", "model.epsilon": 8e-4, "model.gD": 2.0, "model.hnl": "dirac"}
    events = made("two states", model, 20_000, 5)
    same, _ = closure.compare(events, made("two states", model, 20_000, 6))
    assert min(same.values()) > SHAPE
    mass, pull = closure.compare(events.reweight({"model.mzprime": "200 MeV"}), events)
    assert min(mass.values()) < SHAPE
    assert abs(pull) > PULL
    nature, _ = closure.compare(events.reweight({"model.hnl": "majorana"}), events)
    assert min(nature.values()) < SHAPE


def test_flights_follow_where_they_are_resolved(rng: np.random.Generator) -> None:
    """Decay lengths of tenths of a millimetre: only a resolution below them puts the decays where the model does."""
    long, short = {"model.umu4_sq": 2e-10}, {"model.umu4_sq": 2.6e-10}
    events, direct = made("light", long, 20_000, 5), made("light", short, 20_000, 6)
    fine, _ = closure.compare(events.reweight(short, flight_resolution_cm=1e-6), direct)
    coarse, _ = closure.compare(events.reweight(short), direct)
    assert fine["flight"] > SHAPE > coarse["flight"]
    assert coarse["pair energy"] > SHAPE
