"""Cells of visible variables: every event is found, edges are in order, the mass is centred."""

import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.processes.dark_neutrino_topologies import topology
from darkhorn.generator.visible import DEFAULT, VARIABLES, check_pair, check_variables
from darkhorn.generator.visible_cells import Cells, axes_of, find, make_cells
from darkhorn.generator.visible_density import Density, SampledSource
from darkhorn.kernels.errors import InputError

AXES = ("e_ee", "backward", "log_mass", "cos_decay", "decay_z")
BINS = {"e_ee": 12, "backward": 9, "cos_decay": 5, "decay_z": 3}


def sample(rng: np.random.Generator, n: int) -> tuple[list[np.ndarray], np.ndarray]:
    energy = rng.gamma(2.0, 0.2, n) + 0.03
    values = [energy, np.minimum(2, 1e-3 * rng.pareto(1.5, n) / energy**2), np.full(n, np.log(0.03)),
              rng.uniform(size=n), rng.uniform(-500, 500, n)]  # fmt: skip
    return values, rng.uniform(0.5, 1.5, n)


@pytest.fixture
def cells(rng: np.random.Generator) -> Cells:
    return make_cells(AXES, *sample(rng, 20_000), BINS, 0.1)


def test_edges_are_in_order(cells: Cells) -> None:
    assert cells.shape == (12, 9, 1, 5, 3)
    for axis, table in zip(cells.axes, cells.edges, strict=True):
        assert np.all(np.diff(table) > 0), axis
    assert cells.table("log_mass").shape == (12, 2)
    np.testing.assert_allclose(cells.table("log_mass")[0], np.log(0.03) + np.array([-0.05, 0.05]), atol=1e-12)


def test_events_are_found_as_by_searching_one_by_one(cells: Cells, rng: np.random.Generator) -> None:
    values, _ = sample(rng, 2000)
    values[2] = np.log(0.03) + rng.uniform(-0.06, 0.06, 2000)
    found = find(cells.edges, values)
    np.testing.assert_array_equal(found, find(list(map(jnp.asarray, cells.edges)), list(map(jnp.asarray, values)), jnp))
    for i in range(2000):
        slab = int(np.searchsorted(cells.edges[0][0], values[0][i], "right")) - 1
        wanted = 0
        for table, value, bins in zip(cells.edges, values, cells.shape, strict=True):
            row = table[slab if table.shape[0] > 1 and 0 <= slab < table.shape[0] else 0]
            place = int(np.searchsorted(row, value[i], "right")) - 1
            wanted = wanted * bins + place if wanted >= 0 and 0 <= place < bins else -1
        assert found[i] == wanted
    assert 0 < np.count_nonzero(found < 0) < 600  # the masses beyond the bin, at least


def test_cells_hold_the_sample_and_share_it(cells: Cells, rng: np.random.Generator) -> None:
    values, _ = sample(rng, 20_000)
    found = find(cells.edges, values)
    assert np.count_nonzero(found < 0) < 20  # beyond the range of the scout
    slabs = np.bincount(found[found >= 0] // (cells.size // 12), minlength=12)
    assert slabs.max() < 0.35 * 20_000  # no slab has most of it
    assert np.ptp(np.bincount(found[found >= 0] // 3 % 5)) < 600  # flat in cos_decay


def test_axes() -> None:
    assert axes_of(DEFAULT) == AXES[:4]
    assert axes_of((*DEFAULT, "decay_z")) == AXES
    assert axes_of(("asymmetry", "e_ee", "mass_ee")) == ("e_ee", "log_mass", "asymmetry")
    assert axes_of(("opening_angle",)) == ("opening_angle",)
    assert check_variables(list(VARIABLES)) == tuple(VARIABLES)
    for wrong, hint in ((["e_e"], "e_ee"), ([], "no variable"), (["e_ee", "e_ee"], "once")):
        with pytest.raises(InputError, match=hint):
            check_variables(wrong)


def test_events_without_exactly_one_pair_are_refused() -> None:
    check_pair([topology(bound=True), topology(bound=False, bosons=("",))], "here")
    for wrong, reason in (
        (topology(False, finals=("mu+mu-",)), "without a pair"),
        (topology(False, displaced=True), "not made at"),
        (topology(False, ("n5", "n4", "nu_out"), ("e+e-", "e+e-"), ("zprime", "zprime")), "two pairs"),
    ):
        with pytest.raises(InputError, match=reason):
            check_pair([wrong], "here")


def test_inverse_of_a_sampled_density_has_no_bias(rng: np.random.Generator) -> None:
    """Mean over Poisson counts n of what stands for 1/<n>: 1/n is 11 % off at <n> = 10. False alarm 1e-6."""
    trials = 400_000
    count = rng.poisson(10.0, trials).astype(float)
    source = SampledSource(Density(count, count, 0.0, 0.0, 0), least=1.0)
    inverse = source.inverse(np.arange(trials), ())
    assert abs(inverse.mean() - 0.1) < 4.9 * inverse.std() / trials**0.5 + 0.1 * np.exp(-10)
    naive = 1 / count[count > 0]
    assert naive.mean() > 0.11
    np.testing.assert_array_equal(source.covered, count >= 1)
    np.testing.assert_allclose(source.relative[source.covered], 1 / count[source.covered])
