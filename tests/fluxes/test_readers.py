"""Readers of users' flux files: every format there and back, every defect refused with its place."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkhorn.fluxes.readers import read_flux_file
from darkhorn.fluxes.tables import shipped_flux
from darkhorn.kernels.errors import InputError

PER_BIN: dict[str, Any] = {"content": "per-bin", "unit": "cm^-2 POT^-1"}
CENTRES = np.array([0.25, 0.75, 1.25, 1.75])
CONTENT = np.array([1e-12, 4e-12, 2e-12, 0.5e-12])


def write(folder: Path, text: str, name: str = "flux.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_two_columns(tmp_path: Path) -> None:
    text = "# my flux\n\n" + "".join(f"{e} {c}  # bin\n" for e, c in zip(CENTRES, CONTENT, strict=True))
    table = read_flux_file(write(tmp_path, text), pdg=-14, **PER_BIN)
    assert set(table.fluxes) == {-14}
    np.testing.assert_allclose(table.fluxes[-14].edges, [0, 0.5, 1, 1.5, 2])
    np.testing.assert_allclose(table.fluxes[-14].content, CONTENT)
    assert table.name == "flux"
    assert "flux.txt" in table.source


def test_globes_columns_come_in_their_order_and_zero_flavours_are_left_out(tmp_path: Path) -> None:
    lines = [f"{e} {c} {2 * c} 0 {3 * c} {4 * c} {5 * c}" for e, c in zip(CENTRES, CONTENT, strict=True)]
    table = read_flux_file(write(tmp_path, "\n".join(lines), "b.dat"), content="per-GeV", unit="cm^-2 POT^-1")
    assert set(table.fluxes) == {12, 14, -12, -14, -16}
    for pdg, factor in ((12, 1), (14, 2), (-12, 3), (-14, 4), (-16, 5)):
        np.testing.assert_allclose(table.fluxes[pdg].content, factor * CONTENT * 0.5)


def test_csv_with_edges_in_mev_per_square_metre(tmp_path: Path) -> None:
    text = "E_lo_MeV,E_hi_MeV,nue,numu,nue_err\n0,50,2,30,0.1\n50,150,4,50,0.1\n"
    table = read_flux_file(write(tmp_path, text, "f.csv"), content="per-bin", unit="m^-2 / 1e6 POT")
    np.testing.assert_allclose(table.fluxes[12].edges, [0, 0.05, 0.15])
    np.testing.assert_allclose(table.fluxes[12].content, [2e-10, 4e-10])
    np.testing.assert_allclose(table.fluxes[14].content, [3e-9, 5e-9])


def test_blanks_a_mark_at_the_start_and_windows_lines_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes("\ufeffE_GeV , numu\r\n0.5 , 1e-10\r\n1.5, 2e-10\r\n".encode())
    np.testing.assert_allclose(read_flux_file(path, **PER_BIN).fluxes[14].edges, [0, 1, 2])


def test_names_for_columns_of_a_file_without_header(tmp_path: Path) -> None:
    path = write(tmp_path, "0 1 5 7\n1 3 6 8\n")
    table = read_flux_file(path, columns=("E_lo", "E_hi", "numubar", "nuebar"), **PER_BIN)
    np.testing.assert_allclose(table.fluxes[-14].content, [5, 6])
    np.testing.assert_allclose(table.fluxes[-12].edges, [0, 1, 3])
    in_mev = read_flux_file(path, columns=("E_lo", "E_hi", "numu", "nue"), energy_unit="MeV", **PER_BIN)
    np.testing.assert_allclose(in_mev.fluxes[14].edges, [0, 0.001, 0.003])


@pytest.mark.parametrize(
    ("content", "unit", "factor"),
    [
        ("per-bin", "cm^-2 POT^-1", 1),
        ("per-GeV", "cm^-2 POT^-1", 0.5),
        ("per-MeV", "cm^-2 POT^-1", 500),
        ("per-50-MeV", "cm^-2 POT^-1", 10),
        ("per-50MeV", "cm-2 / POT", 10),
        ("per-0.5-GeV", "cm^-2 / POT", 1),
        ("per-bin", "m^-2 POT^-1", 1e-4),
        ("per-bin", "m^-2 / 1e6 POT", 1e-10),
        ("per-bin", "cm^-2 / 1e21 POT", 1e-21),
    ],
)
def test_units(tmp_path: Path, content: str, unit: str, factor: float) -> None:
    path = write(tmp_path, "0.25 1\n0.75 3\n")
    flux = read_flux_file(path, content=content, unit=unit, pdg=14).fluxes[14]
    np.testing.assert_allclose(flux.content, [factor, 3 * factor], rtol=1e-12)


def test_unequal_centres_give_midpoints_for_numbers_per_energy(tmp_path: Path) -> None:
    path = write(tmp_path, "0.1 2\n0.5 4\n1.5 6\n")
    flux = read_flux_file(path, content="per-GeV", unit="cm^-2 POT^-1", pdg=14).fluxes[14]
    np.testing.assert_allclose(flux.edges, [0, 0.3, 1.0, 2.0])
    np.testing.assert_allclose(flux.content, [0.6, 2.8, 6.0])


@pytest.mark.parametrize("layout", ["edges", "centres", "globes"])
def test_a_shipped_flux_survives_the_way_through_a_file(tmp_path: Path, layout: str) -> None:
    fluxes = {
        pdg: flux.rebin(np.linspace(0, 3, 61))
        for pdg, flux in shipped_flux("bnb", "neutrino", "miniboone").fluxes.items()
    }
    edges = fluxes[14].edges
    rows = []
    for i in range(60):
        nue, numu, nuebar, numubar = (fluxes[pdg].content[i] for pdg in (12, 14, -12, -14))
        centre = (edges[i] + edges[i + 1]) / 2
        if layout == "edges":
            rows.append(f"{edges[i]!r},{edges[i + 1]!r},{nue!r},{numu!r},{nuebar!r},{numubar!r}")
        elif layout == "centres":
            rows.append(f"{centre!r},{nue!r},{numu!r},{nuebar!r},{numubar!r}")
        else:
            rows.append(f"{centre!r} {nue!r} {numu!r} 0 {nuebar!r} {numubar!r} 0")
    head = {"edges": "E_lo_GeV,E_hi_GeV,nue,numu,nuebar,numubar", "centres": "E_GeV,nue,numu,nuebar,numubar"}
    text = "\n".join([*([head[layout]] if layout in head else []), *rows]).replace("np.float64(", "").replace(")", "")
    back = read_flux_file(write(tmp_path, text), **PER_BIN).fluxes
    assert set(back) == set(fluxes)
    for pdg, flux in fluxes.items():
        np.testing.assert_allclose(back[pdg].edges, edges, atol=1e-12)
        np.testing.assert_allclose(back[pdg].content, flux.content, rtol=1e-14)


BAD_FILES = [
    ("", "no line with numbers"),
    ("# only a comment\n", "no line with numbers"),
    ("0.5 1\n1.5 2 3\n", "line 2: found 3 columns"),
    ("# a\n0.5 1\n\n1.5\n", "line 4: found 1 columns"),
    ("0.5 1\n1.5 two\n", "line 2: found 'two' in column numu"),
    ("0.5 1\n1.5 -2\n", "line 2: found -2 in column numu"),
    ("0.5 nan\n1.5 2\n", "line 1: found nan in column numu"),
    ("0.5 inf\n1.5 2\n", "line 1: found inf"),
    ("0.5 1e999\n1.5 2\n", "line 1: found 1e999"),
    ("-0.5 1\n1.5 2\n", "line 1: found -0.5 in column E"),
    ("0.5 1\n1.5 2\n1.5 2\n", "line 3: found 1.5 GeV after 1.5 GeV"),
    ("1.5 1\n0.5 2\n", "line 2: found 0.5 GeV after 1.5 GeV"),
    ("0.5 1\n1.0 2\n9.0 2\n", "line 2: found bin centres that are not equally spaced"),
    ("0 1\n1 2\n2 2\n", "line 1: found a first bin centre at 0 GeV"),
    ("0.5 1\n", "one bin centre"),
    ("0.5 0\n1.5 0\n", "zero flux"),
    ("500 1\n1500 2\n", "up to 1500 GeV.*MeV"),
    ("0.5 1 2\n1.5 2 3\n", "line 1: found 3 columns without a header"),
    ("E_GeV,numuon\n0.5,1\n", "line 1: found column 'numuon'.*Did you mean `numu`"),
    ("E_GeV,numu\n", "header without numbers"),
    ("E_GeV,nue,nue\n0.5,1,1\n", "twice"),
    ("E_lo_GeV,numu\n0.5,1\n", "energy columns E_lo"),
    ("numu,nue\n0.5,1\n", "no energy column"),
    ("E_lo_GeV,E_hi_GeV\n0,1\n", "no flavour"),
    ("E_lo_GeV,E_hi_MeV,numu\n0,1,1\n", "energies in GeV and MeV"),
    ("E_lo_GeV,E_hi_GeV,numu\n1,1,1\n", "line 2: found a bin from 1 to 1"),
    ("E_lo_GeV,E_hi_GeV,numu\n0,1,1\n2,3,1\n", "line 3: found a bin that starts at 2 GeV"),
    ("E_lo_GeV,E_hi_GeV,numu\n0,1,1\n0.5,2,1\n", "line 3: found a bin that starts at 0.5 GeV"),
    ("E_lo_GeV,E_hi_GeV,numu\n0,,1\n", "line 2: found '' in column E_hi"),
    ("E,numu\n0.5,1\n1.5,1\n", "energy unit .* no statement"),
    ("E_TeV,numu\n0.5,1\n1e308,1\n", "up to inf GeV"),
    ("E_GeV,numu\n0.5,1e308\n1.5,1e308\n", "sum of inf"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_bad_files_are_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_flux_file(write(tmp_path, text, "bad.txt"), pdg=14, **PER_BIN)
    assert "bad.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"unit": "cm^-2 POT^-1", "pdg": 14}, "content of .*write `content: per-bin`"),
        ({"content": "per-bin", "pdg": 14}, "unit of .*write `unit: cm"),
        ({"content": "per-bim", "unit": "cm^-2 POT^-1"}, "Did you mean `per-bin`"),
        ({"content": "per-0-MeV", "unit": "cm^-2 POT^-1"}, "per-0-MeV"),
        ({"content": "per-e-MeV", "unit": "cm^-2 POT^-1"}, "per-e-MeV"),
        ({"content": "per-bin", "unit": "cm^-2"}, "how many protons"),
        ({"content": "per-bin", "unit": "m^-2 / 0 POT"}, "how many protons"),
        ({"content": "per-bin", "unit": "m^-2 / 1.2.3 POT"}, "how many protons"),
        ({"content": "per-bin", "unit": "km^-2 POT^-1"}, "how many protons"),
        ({**PER_BIN}, "two columns and no flavour.*14"),
        ({**PER_BIN, "pdg": 13}, "the PDG code 13"),
        ({**PER_BIN, "pdg": 14, "energy_unit": "gev"}, "energy unit .*gev"),
        ({**PER_BIN, "columns": ("E_GeV", "numu", "nue")}, "line 1: found 2 columns"),
        ({**PER_BIN, "columns": ("E_GeV", "nu")}, "column 'nu'"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_flux_file(write(tmp_path, "0.5 1\n1.5 2\n"), **arguments)


def test_two_statements_that_disagree_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "E_GeV,numu\n0.5,1\n1.5,2\n")
    with pytest.raises(InputError, match="GeV in the header and MeV in the argument"):
        read_flux_file(path, energy_unit="MeV", **PER_BIN)
    with pytest.raises(InputError, match="not both"):
        read_flux_file(path, columns=("E_GeV", "numu"), **PER_BIN)


@pytest.mark.parametrize("junk", [b"\x00\x01\x02root", b"0.5 1\n\xff\xfe\x80", bytes(range(256))])
def test_binary_data_is_refused(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "flux.root"
    path.write_bytes(junk)
    with pytest.raises(InputError, match="binary data"):
        read_flux_file(path, pdg=14, **PER_BIN)


def test_a_file_of_the_size_of_an_event_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "events.txt"
    with path.open("wb") as file:
        file.truncate(60_000_000)  # a hole: takes no space
    with pytest.raises(InputError, match="60000000 bytes"):
        read_flux_file(path, pdg=14, **PER_BIN)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_flux_file(tmp_path / "none.txt", **PER_BIN)
    with pytest.raises(InputError, match="a folder"):
        read_flux_file(tmp_path, **PER_BIN)


def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "0.5 1\n1.5 2\n")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, os.strerror(13), str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # the mode bits do not stop the superuser
    with pytest.raises(InputError, match="Permission denied"):
        read_flux_file(path, pdg=14, **PER_BIN)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789.eE+-, \n\tnumuxGV_lohi#", max_size=80))
def test_no_text_gives_anything_but_a_flux_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), text, "any.txt")
    try:
        table = read_flux_file(path, pdg=14, **PER_BIN)
    except InputError:
        return
    assert all(flux.integral() > 0 for flux in table.fluxes.values())
