"""Files of fluxes: every format there and back, also as the source of a card and as a reference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from darkhorn.fluxes.tables import shipped_flux
from darkhorn.generator.experiment import experiment
from darkhorn.generator.files.flux_file import (
    PER_BIN,
    is_flux_file,
    read_flux,
    read_fluxes,
    reference_flux,
    write_flux,
)
from darkhorn.generator.runcard import load_card
from darkhorn.kernels.errors import InputError, OutputError

FORMATS = [".csv", ".txt", ".dat", ".h5", ".root"]


@pytest.fixture
def document(rng: np.random.Generator) -> dict[str, Any]:
    edges = [0.0, 0.1, 0.3, 0.6, 1.0]
    rows = []
    for pdg, parents in ((14, (211, 321)), (-14, (-211, -13)), (12, (-13,))):
        made = [
            {
                "pdg": pdg,
                "parent": p,
                "content": (rng.random(4) * 1e-10).tolist(),
                "error": (rng.random(4) * 1e-12).tolist(),
            }
            for p in parents
        ]
        content = np.sum([r["content"] for r in made], axis=0)
        error = np.sqrt(np.sum([np.square(r["error"]) for r in made], axis=0))
        rows += [*made, {"pdg": pdg, "parent": "total", "content": content.tolist(), "error": error.tolist()}]
    names = {"beam": "bnb", "mode": "neutrino", "detector": "sbnd", "particles": 7}
    return {**names, "edges_GeV": edges, "unit": "cm^-2 POT^-1 per bin", "rows": rows, "reweight": "ratios.csv"}


@pytest.mark.parametrize("ending", FORMATS)
def test_there_and_back(tmp_path: Path, document: dict[str, Any], ending: str) -> None:
    if ending == ".root":
        pytest.importorskip("uproot")
    path = tmp_path / f"flux{ending}"
    write_flux(document, path)
    assert is_flux_file(path)
    found = read_flux(path)
    np.testing.assert_allclose(found["edges_GeV"], document["edges_GeV"], rtol=1e-12)
    rows = {(row["pdg"], row["parent"]): row for row in found["rows"]}
    assert len(rows) == len(document["rows"])
    for row in document["rows"]:
        for name in ("content", "error"):
            np.testing.assert_allclose(rows[row["pdg"], row["parent"]][name], row[name], rtol=1e-5)
    names = [found[name] for name in ("beam", "mode", "detector", "reweight")]
    assert names == ["bnb", "neutrino", "sbnd", "ratios.csv"]
    # as the table of a card, and as a reference
    table = read_fluxes(path, **PER_BIN)
    assert table.fluxes[14].integral() == pytest.approx(sum(rows[14, "total"]["content"]), rel=1e-9)
    assert set(table.fluxes) == {14, -14, 12}
    assert reference_flux(str(path)).fluxes[12].integral() == pytest.approx(table.fluxes[12].integral(), rel=1e-9)
    with pytest.raises(OutputError, match="existing file"):
        write_flux(document, path)


def test_histograms_by_name(tmp_path: Path, document: dict[str, Any]) -> None:
    uproot = pytest.importorskip("uproot")
    path = tmp_path / "h.root"
    with uproot.recreate(path) as file:
        file["h501"] = (np.array([2.0, 4.0, 0.0]), np.array([0.0, 0.05, 0.1, 0.2]))
        file["h502"] = (np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.05, 0.1, 0.2]))
    found = read_fluxes(path, content="per-50-MeV", unit="m^-2 / 1e6 POT", histograms={14: "h501", -14: "h502"})
    assert set(found.fluxes) == {14}
    np.testing.assert_allclose(found.fluxes[14].content, [2e-10, 4e-10, 0.0])
    for names, says in ((None, "h501, h502"), ({14: "h50l"}, "Did you mean `h50")):
        with pytest.raises(InputError, match=says):
            read_fluxes(path, content="per-bin", unit="cm^-2 POT^-1", histograms=names)
    with pytest.raises(InputError, match="no statement"):
        read_fluxes(path, content=None, unit=None)
    with pytest.raises(InputError, match="zero flux"):
        read_fluxes(path, **PER_BIN, histograms={14: "h502"})


def test_a_card_with_histograms_of_another_unit(tmp_path: Path) -> None:
    uproot = pytest.importorskip("uproot")
    path = tmp_path / "h.root"
    with uproot.recreate(path) as file:
        file["h501"] = (np.array([2.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    source = {"kind": "histogram", "file": str(path), "content": "per-50-MeV", "unit": "m^-2 / 1e6 POT"}
    card = {
        "schema": 1, "detector": "sbnd", "regions": ["tpc"], "decay_in": "tpc", "exposure": "1e20 POT",
        "model": {"name": "broad-pair"}, "source": {**source, "histograms": {"nu_mu": "h501"}},
    }  # fmt: skip
    found = experiment(load_card(card)).fluxes.fluxes
    assert set(found) == {14}
    np.testing.assert_allclose(found[14].content, np.array([2, 4]) * 20 * 1e-4 / 1e6)
    for key, value, says in (
        ("source.content", "per-parsec", "per-bin"),
        ("source.unit", "m^-3", "POT"),
        ("source.content", 3, "per-GeV"),
        ("source.histograms", {"nu_mi": "h501"}, "nu_mu"),
    ):
        with pytest.raises(InputError, match=says):
            load_card(card, {key: value})
    with pytest.raises(InputError, match="only with a ROOT"):
        load_card("sbnd", {"source.histograms": {"nu_mu": "h501"}})
    # the card as it is stored is a card again
    assert load_card(load_card(card).resolved()).resolved() == load_card(card).resolved()


def test_references() -> None:
    assert reference_flux("bnb-neutrino-sbnd").fluxes[14].integral() == pytest.approx(
        shipped_flux("bnb", "neutrino", "sbnd").fluxes[14].integral()
    )
    with pytest.raises(InputError, match="bnb-neutrino-miniboone"):
        reference_flux("bnb-neutrino-minibone")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("ending", r"\.csv"),
        ("foreign", "no flux of darkhorn"),
        ("missing", "no such file"),
        ("cut", "broken flux file"),
        ("unit", "as it was written"),
        ("unit of a text", "as it was written"),
        ("names", "ROOT file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, document: dict[str, Any], what: str, says: str) -> None:
    path = tmp_path / "flux.h5"
    if what == "foreign":
        path.write_text("E numu\n1 2\n")
    elif what != "missing":
        path = tmp_path / "flux.csv" if what == "unit of a text" else path
        write_flux(document, path)
    if what == "cut":
        with h5py.File(path, "a") as file:
            del file["edges_GeV"]
    tries: dict[str, Callable[[], Any]] = {
        "ending": lambda: write_flux(document, tmp_path / "flux.pdf"),
        "unit": lambda: read_fluxes(path, content="per-GeV", unit="cm^-2 POT^-1"),
        "unit of a text": lambda: read_fluxes(path, content="per-bin", unit="m^-2 POT^-1"),
        "names": lambda: read_fluxes(path, **PER_BIN, histograms={14: "h501"}),
    }
    with pytest.raises(InputError, match=says):
        tries.get(what, lambda: read_flux(path))()
