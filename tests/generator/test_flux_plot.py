"""The picture of a flux: what is drawn, and the ratio to a reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkhorn.fluxes.tables import Flux, FluxSet
from darkhorn.generator.files.flux_file import write_flux
from darkhorn.generator.plots import plot_file
from darkhorn.kernels.errors import InputError

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure

from darkhorn.generator.flux_plot import draw_flux

EDGES = [0.0, 0.1, 0.2, 0.3, 0.4]


def document() -> dict[str, Any]:
    rows = [
        {"pdg": 14, "parent": 211, "content": [1.0, 2, 1, 0.5], "error": [0.1] * 4},
        {"pdg": 14, "parent": "total", "content": [1.0, 2, 1, 0.5], "error": [0.1] * 4},
        {"pdg": 12, "parent": "total", "content": [0.0] * 4, "error": [0.0] * 4},
    ]
    names = {"beam": "bnb", "mode": "neutrino", "detector": "sbnd", "particles": 7, "reweight": "ratios.csv"}
    return {**names, "edges_GeV": EDGES, "unit": "cm^-2 POT^-1 per bin", "rows": rows}


def reference(edges: list[float], content: list[float]) -> FluxSet:
    return FluxSet("mine", "bnb", "neutrino", "sbnd", "", {14: Flux.from_bins(14, edges, content)})


@pytest.mark.parametrize(
    ("edges", "content", "ratio"),
    [
        (EDGES, [2.0, 2, 1, 1], [0.5, 1, 1, 0.5]),
        ([0.0, 0.2, 0.4], [6.0, 1.0], [0.5, 1.5]),  # coarser: bins of the flux are put together
        ([0.0, 0.05, 0.1, 0.2, 0.3], [0.5, 0.5, 2, 1], [1.0, 1, 1]),  # finer, and shorter
    ],
)
def test_the_ratio(edges: list[float], content: list[float], ratio: list[float]) -> None:
    figure = draw_flux(document(), reference(edges, content), Figure)
    assert len(figure.axes) == 2  # nu_e has no flux
    found = next(p for p in figure.axes[1].patches if not p.get_fill())
    np.testing.assert_allclose(found.get_data().values, ratio)
    assert "ratios.csv" in figure.get_suptitle()
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["reference", "all", r"$\pi^+$"]


def test_without_a_reference_there_is_no_ratio() -> None:
    assert len(draw_flux(document(), None, Figure).axes) == 1


def test_many_bins_are_merged() -> None:
    edges = np.linspace(0, 40, 801)
    rows = [{"pdg": 14, "parent": name, "content": [1e-12] * 800, "error": [1e-13] * 800} for name in (211, "total")]
    figure = draw_flux({**document(), "edges_GeV": edges.tolist(), "rows": rows}, None, Figure)
    drawn = [patch.get_data() for patch in figure.axes[0].patches]
    assert {len(one.values) for one in drawn} == {100}
    np.testing.assert_allclose(drawn[0].values, 1e-12 / 0.05)
    np.testing.assert_allclose(drawn[1].values, (1e-12 + 1e-13 / 8**0.5) / 0.05)
    np.testing.assert_allclose(drawn[1].edges, edges[::8])


def test_files_and_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flux.csv"
    write_flux(document(), path)
    plot_file(path, tmp_path / "flux.png", reference=str(path))
    assert (tmp_path / "flux.png").stat().st_size > 5000
    with pytest.raises(InputError, match="no --reference"):
        plot_file(path, tmp_path / "a.png", meaning=("per-bin", None))
    with pytest.raises(InputError, match="no flux"):
        plot_file(tmp_path / "other.h5", tmp_path / "a.png", reference=str(path))
    other = FluxSet("x", "b", "m", "d", "", {-14: Flux.from_bins(-14, EDGES, [1.0] * 4)})
    with pytest.raises(InputError, match="in the reference"):
        draw_flux(document(), other, Figure)
    with pytest.raises(InputError, match="energies of the flux"):
        draw_flux(document(), reference([5.0, 6.0], [1.0]), Figure)
