"""Axes and grids of a scan, from text."""

import numpy as np
import pytest

from darkhorn.generator.scan_grid import Grid, axis_of, parse_axis
from darkhorn.kernels.errors import InputError


def test_a_range_has_its_ends_and_equal_steps() -> None:
    axis = parse_axis("model.m4=50 MeV:400 MeV:8")
    np.testing.assert_allclose(axis.numbers, 50 * np.arange(1, 9), rtol=1e-14)
    assert (axis.unit, axis.scale, axis.values[0], axis.values[-1]) == ("MeV", "linear", "50.0 MeV", "400.0 MeV")


def test_a_logarithmic_range_has_equal_ratios() -> None:
    axis = parse_axis("model.umu4_sq=1e-12:1e-6:7:log")
    np.testing.assert_allclose(axis.numbers, 10.0 ** np.arange(-12, -5), rtol=1e-12)
    assert axis.values[0] == "1e-12"
    assert axis.values[-1] == "1e-06"


def test_the_unit_may_stand_at_the_upper_end_alone() -> None:
    assert parse_axis("model.m4=50:400 MeV:8").unit == "MeV"


def test_magnetic_moments_are_couplings() -> None:
    for unit in ("GeV^-1", "mu_B"):
        grid = Grid.of({"model.mu_tr_mu4": f"1e-7 {unit}:1e-5 {unit}:3:log", "model.m4": "1 MeV:2 MeV:4"})
        assert grid.axes[0].unit == unit
        np.testing.assert_allclose(grid.axes[0].numbers, [1e-7, 1e-6, 1e-5])
        assert grid.axes[0].values[0] == f"1e-07 {unit}"
        assert grid.fast_axis() == 0


def test_lists_keep_what_was_written() -> None:
    assert parse_axis("model.hnl=dirac, majorana").values == ("dirac", "majorana")
    assert parse_axis("model.hnl=dirac, majorana").number is None
    masses = parse_axis("model.m4=100 MeV,150 MeV")
    assert masses.number == (100.0, 150.0)
    assert masses.unit == "MeV"
    assert axis_of("model.epsilon", [1e-4, np.float64(2e-4)]).values == ("0.0001", "0.0002")


def test_the_last_axis_runs_fastest() -> None:
    grid = Grid.of({"model.m4": "1 MeV:2 MeV:2", "model.umu4_sq": "1e-9:1e-8:3"})
    assert grid.shape == (2, 3)
    assert grid.size == 6
    indices = list(grid.indices())
    assert indices[1] == (0, 1)
    assert [grid.flat(i) for i in indices] == list(range(6))
    assert grid.overrides((1, 0)) == {"model.m4": "2.0 MeV", "model.umu4_sq": "1e-09"}


@pytest.mark.parametrize(
    ("grid", "fast"),
    [
        (["model.umu4_sq=1e-9:1e-8:3", "model.m4=1 MeV:2 MeV:9"], 0),
        (["model.m4=1 MeV:2 MeV:9", "model.mzprime=1 MeV:2 MeV:2"], 1),
        (["model.gD=1,2", "model.epsilon=1e-4:1e-3:5", "model.m4=1 MeV:2 MeV:9"], 1),
        (["model.hnl=dirac,majorana", "model.m4=1 MeV:2 MeV:9"], 1),
    ],
)
def test_points_share_their_numbers_along_the_longest_coupling(grid: list[str], fast: int) -> None:
    assert Grid.of(grid).fast_axis() == fast


@pytest.mark.parametrize(
    "text",
    [
        "model.m4",
        "=1:2:3",
        "model.m4=50 MeV:400 MeV",
        "model.m4=50 MeV:400 MeV:1",
        "model.m4=400 MeV:50 MeV:9",
        "model.m4=50 MeV:400 cm:9",
        "model.m4=a:b:9",
        "model.umu4_sq=0:1e-6:7:log",
        "model.umu4_sq=1e-9:1e-6:7:lin",
        "model.m4=100 MeV,100 MeV",
        "model.m4=100 MeV,,200 MeV",
        "model.umu4_sq=1e-9:1e-6:99999999999",
    ],
)
def test_a_wrong_axis_is_told(text: str) -> None:
    with pytest.raises(InputError, match="--grid"):
        parse_axis(text)


def test_a_wrong_grid_is_told() -> None:
    for wrong in ([], ["model.gD=1,2", "model.gD=3,4"], ["model.gD=1:2:9999", "model.epsilon=1e-4:1e-3:9999"]):
        with pytest.raises(InputError, match="--grid"):
            Grid.of(wrong)
