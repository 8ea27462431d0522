"""Stages that any source and long-lived particle share: where, when and with which energy things happen."""

from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import assert_follows, ks_probability
from numpy.typing import NDArray

from darkhorn.fluxes.decay_line import decay_line
from darkhorn.generator.device import as_float64
from darkhorn.generator.processes.dark_neutrino_chains import chain_of
from darkhorn.generator.processes.dark_neutrino_model import Scheme
from darkhorn.generator.processes.dark_neutrino_paths import Form
from darkhorn.generator.stages import FLUX, LINE_OF_SIGHT, TARGETS, TIME, flux_tables

LIGHT = Scheme(("N4",), (("N4", "nu"),), hadrons=False, virtual_hadrons=False)
FORM = Form(("vector",))
FORCED, FREE = chain_of(LIGHT, FORM, "forced"), chain_of(LIGHT, FORM, "free")

C = 29.9792458
TPC_LOW, TPC_HIGH = np.array([0.0, -116.5, 0.0]), np.array([256.35, 116.5, 1036.8])
N = 40_000


def run_chain(overrides: dict[str, Any], chain: Any = FORCED, n: int = N) -> dict[str, NDArray[Any]]:
    """All columns of the first channel, also those that are not stored."""
    channel = cards.simulation(overrides).build.channels[0]
    u = jnp.asarray(np.random.default_rng(11).uniform(size=(len(chain.dims), n)))
    return {k: np.asarray(v) for k, v in jax.jit(chain)(as_float64(channel.params), list(u)).items()}


def proper_length(overrides: dict[str, Any]) -> float:
    """c tau of N4 in cm."""
    rows = cards.simulation(overrides).widths()
    return next(float(row["ctau_cm"]) for row in rows if row["particle"] == "N4" and "ctau_cm" in row)


@pytest.fixture(scope="module")
def prompt() -> dict[str, NDArray[Any]]:
    return run_chain(cards.ONE_CHANNEL)


@pytest.fixture(scope="module")
def long_lived() -> dict[str, NDArray[Any]]:
    return run_chain(cards.LONG_LIVED)


def triple(columns: dict[str, NDArray[Any]], names: str) -> NDArray[Any]:
    return np.stack([columns[names.format(axis)] for axis in "xyz"], axis=1)


# ---------------------------------------------------------------------------------------------------- energy
def test_flux_tables_conserve_the_flux_and_reach_every_energy() -> None:
    edges, content = np.array([0.1, 0.5, 1.0, 2.0, 3.0]), np.array([1.0, 4.0, 0.0, 2.0])
    tables = flux_tables(edges, content, 0.3)
    assert float(tables["flux"].sum() * tables["step"]) == pytest.approx(0.5 + 4 + 2, rel=1e-12)
    assert tables["energy"][0] == pytest.approx(0.3)
    assert tables["energy"][-1] == pytest.approx(3.0)
    assert (np.diff(tables["energy"]) > 0).all()


def test_energies_weighted_by_their_factor_are_the_flux(rng: np.random.Generator) -> None:
    edges, content = np.linspace(0.0, 4.0, 41), rng.exponential(size=40)
    content[7] = 0.0
    params = as_float64({"flux": {**flux_tables(edges, content, 0.23), "pot": np.asarray(10.0)}})
    u = (np.arange(200_000) + 0.5) / 200_000
    columns, factor = jax.jit(FLUX.run)(params, {}, [jnp.asarray(u)])
    heights, _ = np.histogram(columns["energy"], edges, weights=np.asarray(factor) / len(u))
    wanted = 10.0 * content
    wanted[:2], wanted[2] = 0.0, 7.0 * content[2]
    # cells of 1 MeV straddle the edges of the table
    np.testing.assert_allclose(heights, wanted, atol=10 * content.max() * 0.012)
    assert np.mean(factor) == pytest.approx(wanted.sum(), rel=1e-4)


# --------------------------------------------------------------------------------------------------- geometry
def test_scattering_points_fill_the_region_evenly(prompt: dict[str, NDArray[Any]]) -> None:
    places = (triple(prompt, "scatter_{}") - TPC_LOW) / (TPC_HIGH - TPC_LOW)
    for axis in range(3):
        assert_follows(places[:, axis], "uniform", f"axis {axis}")
    assert np.all(prompt["w_targets"] == prompt["w_targets"][0])
    nuclei = cards.nuclei(1.3954, 1.0, "Ar40", float(np.prod(TPC_HIGH - TPC_LOW)))
    assert prompt["w_targets"][0] * 1e38 == pytest.approx(nuclei, rel=1e-6)


def test_the_neutrino_flies_from_its_birth_to_the_scattering(prompt: dict[str, NDArray[Any]]) -> None:
    direction = triple(prompt, "nu_d{}")
    birth = triple(prompt, "scatter_{}") - direction * prompt["baseline"][:, None] + [-124.325, 0.93, 46336.35]
    np.testing.assert_allclose(np.linalg.norm(direction, axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(birth[:, 2], prompt["birth_along"], atol=1e-9)
    assert np.hypot(birth[:, 0], birth[:, 1]).max() <= 35.0 + 1e-9
    assert_follows((birth[:, 0] ** 2 + birth[:, 1] ** 2) / 35.0**2, "uniform", "disc")
    momentum = triple(prompt, "nu_p{}")
    np.testing.assert_allclose(np.cross(momentum, direction), 0.0, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(momentum, axis=1), prompt["nu_e"], rtol=1e-14)
    np.testing.assert_array_equal(prompt["nu_e"], prompt["energy"])


def test_births_follow_the_decay_line(prompt: dict[str, NDArray[Any]]) -> None:
    line = decay_line("bnb", "neutrino")
    energy, place = prompt["energy"], prompt["birth_along"]
    assert place.min() >= line.start_cm
    assert place.max() <= line.end_cm
    share, length = line.at(14, energy)
    fraction = np.expm1(-(place - line.start_cm) / length) / np.expm1(-(line.end_cm - line.start_cm) / length)
    assert_follows((share * fraction).sum(axis=0), "uniform", "birth")
    # what the test can see: lengths 20 % off
    wrong = np.expm1(-(place - line.start_cm) / length / 1.2) / np.expm1(-(line.end_cm - line.start_cm) / length / 1.2)
    assert ks_probability((share * wrong).sum(axis=0)) < 1e-6


def test_the_flux_falls_with_the_square_of_the_distance(prompt: dict[str, NDArray[Any]]) -> None:
    direction = triple(prompt, "nu_d{}")
    birth = triple(prompt, "scatter_{}") - direction * prompt["baseline"][:, None] + [-124.325, 0.93, 46336.35]
    centre = np.array([128.175, 0.0, 518.4]) + np.array([-124.325, 0.93, 46336.35])
    reference = centre / np.linalg.norm(centre) * 46854.75
    wanted = np.sum((reference - birth) ** 2, axis=1) / prompt["baseline"] ** 2
    np.testing.assert_allclose(prompt["w_line_of_sight"], wanted, rtol=1e-12)
    assert 0.95 < wanted.min() < wanted.max() < 1.05


def test_neutrinos_from_one_place() -> None:
    columns = run_chain({**cards.ONE_CHANNEL, "source.decay_line": {"start": "10 m", "end": "10 m"}}, n=1000)
    birth = triple(columns, "scatter_{}") - triple(columns, "nu_d{}") * columns["baseline"][:, None]
    np.testing.assert_allclose(birth, np.array([124.325, -0.93, -45336.35])[None] * np.ones((1000, 1)), atol=1e-5)


def test_parallel_neutrinos_fly_along_the_beam_and_their_flux_falls_with_the_distance() -> None:
    columns = run_chain({**cards.ONE_CHANNEL, "source.decay_line": None}, n=1000)
    np.testing.assert_array_equal(triple(columns, "nu_d{}"), np.array([0.0, 0.0, 1.0])[None] * np.ones((1000, 1)))
    distance = np.linalg.norm(triple(columns, "scatter_{}") - [124.325, -0.93, -46336.35], axis=1)
    np.testing.assert_allclose(columns["baseline"], distance, rtol=1e-10)
    np.testing.assert_allclose(columns["w_line_of_sight"], (46854.75 / distance) ** 2, rtol=1e-10)


# ------------------------------------------------------------------------------------------- flight and decay
def path_inside(start: NDArray[Any], direction: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
    """Length of the ray inside a box, from inside it."""
    with np.errstate(divide="ignore"):
        walls = np.where(direction > 0, (high - start) / direction, (low - start) / direction)
    return np.asarray(walls.min(axis=1))


def test_forced_decays_are_inside_and_weigh_their_probability(long_lived: dict[str, NDArray[Any]]) -> None:
    place = triple(long_lived, "decay_{}")
    assert ((place >= TPC_LOW - 1e-9) & (place <= TPC_HIGH + 1e-9)).all()
    momentum = triple(long_lived, "n4_p{}")
    p = np.linalg.norm(momentum, axis=1)
    length = p / 0.106 * proper_length(cards.LONG_LIVED)
    assert 1000 < np.median(length) < 20_000
    start = triple(long_lived, "scatter_{}")
    far = path_inside(start, momentum / p[:, None], TPC_LOW, TPC_HIGH)
    np.testing.assert_allclose(long_lived["w_decay"], -np.expm1(-far / length), rtol=1e-9)
    np.testing.assert_allclose(place - start, momentum / p[:, None] * long_lived["flight"][:, None], atol=1e-9)
    assert_follows(np.expm1(-long_lived["flight"] / length) / np.expm1(-far / length), "uniform", "flight")


def test_free_decays_follow_the_exponential_law() -> None:
    columns = run_chain({**cards.LONG_LIVED, "force_decay": False}, FREE)
    p = np.linalg.norm(triple(columns, "n4_p{}"), axis=1)
    length = p / 0.106 * proper_length(cards.LONG_LIVED)
    assert_follows(-np.expm1(-columns["flight"] / length), "uniform", "flight")
    assert ks_probability(-np.expm1(-columns["flight"] / length / 1.05)) < 1e-6
    assert "w_decay" not in columns  # nothing is forced, so nothing weighs
    place = triple(columns, "decay_{}")
    inside = ((place >= TPC_LOW) & (place <= TPC_HIGH)).all(axis=1)
    np.testing.assert_array_equal(columns["decay_inside"].astype(bool), inside)
    assert 0.02 < inside.mean() < 0.8


@pytest.mark.parametrize("region", ["tpc", pytest.param("cryostat", marks=pytest.mark.slow)])
def test_forced_and_free_decays_have_the_same_rate(region: str) -> None:
    """The cryostat holds the TPC: there some N4 miss it, and forced events of weight zero are left out."""
    common = {**cards.LONG_LIVED, "regions": [region]}
    forced, free = cards.simulation(common), cards.simulation({**common, "force_decay": False})
    events = free.run(30_000)
    chosen = events["weight"][events["decay_inside"] == 1]
    found = forced.run(30_000)
    error = np.hypot(np.sqrt(np.sum(chosen**2)), np.sqrt(found.sum_w2 * 0.5))
    assert 0.02 < chosen.sum() / events.sum_w < 0.8
    assert found.sum_w == pytest.approx(chosen.sum(), abs=4.9 * float(error))
    assert error < 0.03 * found.sum_w
    channel = found.header.channels[0]
    assert channel["attempted"] == 30_000
    assert channel["kept"] == len(found)
    assert (len(found) < 30_000) == (region == "cryostat")
    assert (found["weight"] > 0).all()


# -------------------------------------------------------------------------------------------------------- time
def test_protons_come_in_buckets(prompt: dict[str, NDArray[Any]]) -> None:
    line = decay_line("bnb", "neutrino")
    gamma = np.maximum(prompt["energy"] / (1 - (0.1056583755 / 0.13957039) ** 2) / 0.13957039, 1.05)
    parent = (prompt["birth_along"] - line.start_cm) / (np.sqrt(1 - gamma**-2) * C) + line.start_cm / C
    proton = prompt["scatter_t"] - parent - prompt["baseline"] / C
    bucket = np.round(proton / 18.936)
    assert set(bucket.astype(int)) == set(range(81))
    counts = np.bincount(bucket.astype(int), minlength=81)
    assert np.sum((counts - N / 81) ** 2) / (N / 81) < 81 + 8 * np.sqrt(2 * 81)
    offset = proton - bucket * 18.936
    assert_follows(offset / 1.308, "norm", "inside a bucket")
    assert ks_probability(offset / 1.308 / 1.05, "norm") < 1e-6


@pytest.mark.parametrize("kind", ["prompt", "long_lived"])
def test_the_decay_follows_the_scattering_by_the_time_of_flight(kind: str, request: pytest.FixtureRequest) -> None:
    columns: dict[str, NDArray[Any]] = request.getfixturevalue(kind)
    distance = np.linalg.norm(triple(columns, "decay_{}") - triple(columns, "scatter_{}"), axis=1)
    beta = np.linalg.norm(triple(columns, "n4_p{}"), axis=1) / columns["n4_e"]
    later = columns["decay_t"] - columns["scatter_t"]
    assert (later >= 0).all()
    assert (beta < 1).all()
    np.testing.assert_allclose(later, distance / (beta * C), atol=1e-10)


def test_a_spill_of_none_is_an_instant() -> None:
    columns = run_chain({**cards.ONE_CHANNEL, "source.spill": None, "source.decay_line": None}, n=1000)
    np.testing.assert_allclose(columns["scatter_t"], columns["baseline"] / C, atol=1e-9)


def test_stages_tell_their_dimensions() -> None:
    assert [len(stage.dims) for stage in (FLUX, TARGETS, LINE_OF_SIGHT, TIME)] == [1, 3, 3, 1]
    assert FORCED.dims == FREE.dims
