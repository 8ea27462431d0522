"""Pictures of scans and of events: what is drawn, and what is refused."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from darkhorn.generator.events import Events
from darkhorn.generator.files.scan_file import save_scan
from darkhorn.generator.plots import draw_events, draw_scan, pair_quantities, plot_file
from darkhorn.generator.runcard import load_card
from darkhorn.generator.scan_result import FAILED, OK, Scan, new_scan
from darkhorn.kernels.errors import InputError, OutputError

pytest.importorskip("matplotlib")
PLANE = {"model.m4": "10 MeV:400 MeV:12:log", "model.umu4_sq": "1e-12:1e-7:9:log"}


def filled(grid: Mapping[str, object]) -> Scan:
    """A scan with made-up events: contours are straight lines."""
    scan = new_scan(load_card("microboone"), grid, 1e-2, 1)
    position = np.indices(scan.grid.shape)
    scan.events = 10.0 ** (position.sum(axis=0) / 2 - 3)
    scan.error, scan.ess = 0.01 * scan.events, np.full(scan.grid.shape, 1e3)
    scan.status[...] = OK
    return scan


def test_a_plane_has_labels_scales_and_contours() -> None:
    scan = filled(PLANE)
    scan.refuse(0, "not allowed")
    scan.events[0, 0] = np.nan
    axes = draw_scan(scan, levels=[0.5, 2.3]).axes[0]
    assert "MeV" in axes.get_xlabel()
    assert "mu4" in axes.get_ylabel()
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert {text.get_text() for text in axes.texts} >= {"0.5", "2.3"}
    assert axes.get_legend() is not None
    assert scan.status[0, 0] == FAILED


def test_the_picture_is_not_transposed() -> None:
    scan = filled(PLANE)
    scan.events[...] = 1.0
    scan.events[2, 5] = 100.0
    mesh = draw_scan(scan).axes[0].collections[0]
    assert np.argmax(np.ma.filled(mesh.get_array(), 0)) == 5 * 12 + 2  # rows run along y


def test_one_axis_is_a_line_and_words_make_several() -> None:
    line = draw_scan(filled({"model.m4": "10 MeV:400 MeV:12"})).axes[0]
    assert len(line.lines) == 1
    assert len(line.collections) == 1
    assert line.get_ylabel() == "expected events"
    both = draw_scan(filled({"model.hnl": "dirac,majorana", "model.m4": "10 MeV:400 MeV:12"})).axes[0]
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["dirac", "majorana"]
    with pytest.raises(InputError, match="axes"):
        draw_scan(filled({**PLANE, "model.gD": "1,2"}))
    with pytest.raises(InputError, match="level"):
        draw_scan(filled({"model.m4": "10 MeV:400 MeV:12"}), levels=[1.0])


def test_quantities_of_the_pair(sample: Events) -> None:
    """Against the mass of the pair: m^2 = 2 m_e^2 + 2 (E1 E2 - p1 p2 cos(opening)), which is that of the Z'."""
    found = pair_quantities(sample)
    assert len(found["weight"]) == len(sample)
    assert (np.abs(found["cosine"]) <= 1).all()
    e, m_e = found["energy"], 0.000510998950
    one, two = e * (1 + found["asymmetry"]) / 2, e * (1 - found["asymmetry"]) / 2
    momenta = np.sqrt((one**2 - m_e**2) * np.maximum(two**2 - m_e**2, 0))
    mass_squared = 2 * m_e**2 + 2 * (one * two - momenta * np.cos(np.radians(found["opening"])))
    np.testing.assert_allclose(mass_squared, 0.03**2, rtol=1e-3)


def test_events_are_drawn_with_their_weights(sample: Events) -> None:
    figure = draw_events(sample)
    assert len(figure.axes) == 7  # six panels and a colour bar
    content = figure.axes[4].patches[0].get_data().values  # the vertex: all events are inside
    np.testing.assert_allclose(content.sum(), sample.sum_w, rtol=1e-9)


def test_files_and_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, picture = tmp_path / "scan.h5", tmp_path / "scan.png"
    save_scan(filled(PLANE), path)
    plot_file(path, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "scan.png.part").exists()
    with pytest.raises(OutputError, match="existing"):
        plot_file(path, picture)
    with pytest.raises(InputError, match="ends in"):
        plot_file(path, tmp_path / "scan.bmp")
    with pytest.raises(InputError):
        plot_file(tmp_path / "missing.h5", tmp_path / "new.png")
    plot_file(path, tmp_path / "scan.pdf")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="plot"):
        plot_file(path, tmp_path / "other.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scan.h5", "scan.pdf", "scan.png"]
