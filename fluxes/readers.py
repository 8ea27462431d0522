"""Readers of users' flux files: plain text, GLoBES and DarkNews columns, CSV with a header.

What the numbers mean is never guessed: the caller states whether they are per bin or per energy, per cm^2 or m^2, and
per how many protons, because files of the field differ in all three and do not say so themselves.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.table_units import GEV, energy_counted, to_per_cm2
from darkhorn.fluxes.tables import FLAVOURS, NAMES, Flux, FluxSet
from darkhorn.kernels.errors import InputError, did_you_mean

Array = NDArray[np.float64]

GLOBES_COLUMNS = ("E", "nue", "numu", "nutau", "nuebar", "numubar", "nutaubar")
_LARGEST_FILE = 50_000_000  # bytes; a flux table has some kB, an event file that was given by mistake many MB
_PARENT_COLUMN = re.compile(rf"({'|'.join(FLAVOURS)})_from_(-?[0-9]+)")  # the share of one parent, by PDG code
_ENERGY_COLUMN = re.compile(r"(E|E_lo|E_hi)(?:_(eV|keV|MeV|GeV|TeV))?")


def read_flux_file(
    path: str | Path,
    *,
    content: str | None = None,
    unit: str | None = None,
    energy_unit: str | None = None,
    columns: Sequence[str] | None = None,
    pdg: int | None = None,
    name: str | None = None,
) -> FluxSet:
    """Read the fluxes of a text file. Result: cm^-2 POT^-1 per bin.

    content      what a number counts: `per-bin`, `per-GeV`, `per-50-MeV`
    unit         `cm^-2 POT^-1`, `m^-2 POT^-1`, `m^-2 / 1e6 POT`
    energy_unit  of the energies, where the header does not say it (`E_lo_GeV`); GeV for files without a header
    columns      names of the columns of a file without a header: `E` or `E_lo` and `E_hi`, and flavours (`numu`, ...)
    pdg          flavour of a file with two columns, energy and flux

    Lines are split at commas or blanks; `#` starts a comment. Without `columns` a file without a header has two
    columns, or the seven of GLoBES and DarkNews: E nue numu nutau nuebar numubar nutaubar. Columns that end in `_err`,
    those of one parent (`numu_from_211`) and flavours whose flux is zero everywhere are passed over. Energies `E` are
    bin centres: of bins of equal width if they are equally spaced, else bins end half-way between them, which needs
    numbers per energy.

    Raises InputError, with the file and the line, for everything that cannot be used.
    """
    path = Path(path)
    energy_width, per_cm2 = meaning_of(content, unit, path)
    if energy_unit is not None and energy_unit not in GEV:
        raise InputError(f"energy unit of {path}", energy_unit, ", ".join(GEV), "Write for example `GeV`.")
    lines = _lines(path)
    header, rows = _split_header(lines, columns, pdg, path)
    numbers = _numbers(header, rows, path)
    scale = _energy_scale(header, energy_unit, columns is not None or header.implied, path)
    edges = _edges(header.names, numbers, rows, scale, energy_width is None, path)
    fluxes: dict[int, Flux] = {}
    for flavour, code in FLAVOURS.items():
        if flavour in header.names:
            values = numbers[:, header.names.index(flavour)]
            if values.any():
                widths = 1.0 if energy_width is None else np.diff(edges) / energy_width
                with np.errstate(over="ignore", invalid="ignore"):  # `from_bins` refuses what is not finite
                    heights = values * widths * per_cm2
                fluxes[code] = Flux.from_bins(code, edges, heights, str(path))
    if not fluxes:
        raise InputError(str(path), "zero flux in every bin", "a flavour with flux", "Check the columns.")
    source = f"read from {path.name}: flux {content}, in {unit}"
    return FluxSet(name or path.stem, "user", "user", "user", source, fluxes)


def read_ratio_table(path: str | Path) -> tuple[Array, dict[tuple[int, int | None], Array]]:
    """(edges in GeV, {(neutrino, parent or None for all): ratio per bin}) of a table that changes a flux.

    A text file with a header: `E_lo_GeV E_hi_GeV`, flavours (`numu`) and parents of flavours (`numu_from_211`).
    Raises InputError as `read_flux_file`, and for numbers all below 1e-3, or one above 1e3: fluxes, not ratios.
    """
    path = Path(path)
    header, rows = _split_header(_lines(path), None, None, path)
    numbers = _numbers(header, rows, path)
    edges = _edges(header.names, numbers, rows, _energy_scale(header, None, False, path), True, path)
    ratios: dict[tuple[int, int | None], Array] = {}
    for name, values in zip(header.names, numbers.T, strict=True):
        parent = _PARENT_COLUMN.fullmatch(name)
        if parent:
            ratios[FLAVOURS[parent[1]], int(parent[2])] = values
        elif name in FLAVOURS:
            ratios[FLAVOURS[name], None] = values
    largest = max((float(values.max()) for values in ratios.values()), default=0.0)
    if largest > 1e3 or 0 < largest < 1e-3:
        do = "Divide the flux that you want by that of the simulation."
        raise InputError(str(path), f"numbers up to {largest:.3g}", "ratios of two fluxes, 0.001 to 1000", do)
    return edges, ratios


def meaning_of(content: str | None, unit: str | None, path: Path) -> tuple[float | None, float]:
    """What the numbers of a file mean: energy (GeV) that one counts, or None for a bin; factor to cm^-2 POT^-1.

    Raises InputError for words that are not known, and for None: it is never guessed.
    """
    return energy_counted(content, f"content of {path}"), to_per_cm2(unit, f"unit of {path}")


@dataclass(frozen=True)
class _Header:
    """Names of the columns without units, the unit of the energies if written, and whether the layout was implied."""

    names: tuple[str, ...]
    unit: str | None
    implied: bool


@dataclass(frozen=True)
class _Line:
    number: int
    words: tuple[str, ...]


def _lines(path: Path) -> list[_Line]:
    """Lines that hold something, split into words, with their numbers."""
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            raise InputError(str(path), found, "a text file with a flux table", "Check the path.")
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise InputError(str(path), f"{size} bytes", f"at most {_LARGEST_FILE} bytes", "This is no flux table.")
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(str(path), reason, "a readable text file", "Check the path and its permissions.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(str(path), "binary data", "a text file with a flux table", "Export the histogram as text.")
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.split("#", 1)[0].strip()
        if stripped:
            words = stripped.split(",") if "," in stripped else stripped.split()
            lines.append(_Line(number, tuple(word.strip() for word in words)))
    if not lines:
        raise InputError(str(path), "no line with numbers", "a flux table", "The file is empty or holds only comments.")
    return lines


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _split_header(
    lines: list[_Line], columns: Sequence[str] | None, pdg: int | None, path: Path
) -> tuple[_Header, list[_Line]]:
    """Names of the columns, from the header line, the caller, or the number of columns; and the lines with numbers."""
    first = lines[0]
    has_header = not any(_is_number(word) for word in first.words)
    where = f"{path}, line {first.number}"
    if has_header and columns is not None:
        raise InputError(where, "a header line", "either a header or `columns`, not both", "Leave out `columns`.")
    if has_header:
        return _parse_header(first.words, where), lines[1:]
    if columns is not None:
        return _parse_header(tuple(columns), f"columns of {path}"), lines
    if len(first.words) == len(GLOBES_COLUMNS):
        return _Header(GLOBES_COLUMNS, None, True), lines
    if len(first.words) == 2:
        if pdg not in NAMES:
            allowed = ", ".join(f"{code} ({flavour})" for flavour, code in FLAVOURS.items())
            found = "two columns and no flavour" if pdg is None else f"the PDG code {pdg}"
            raise InputError(where, found, allowed, "Give the PDG code of the neutrino: `pdg: 14`.")
        return _Header(("E", NAMES[pdg]), None, True), lines
    allowed = "2 columns (E flux), 7 columns (E nue numu nutau nuebar numubar nutaubar), or a header line"
    raise InputError(
        where, f"{len(first.words)} columns without a header", allowed, "Add a header: `E_lo_GeV,E_hi_GeV,numu`."
    )


def _parse_header(words: tuple[str, ...], where: str) -> _Header:
    names: list[str] = []
    units: set[str] = set()
    for word in words:
        energy = _ENERGY_COLUMN.fullmatch(word)
        if energy:
            names.append(energy[1])
            units |= {energy[2]} if energy[2] else set()
        elif word in FLAVOURS or word.endswith("_err") or _PARENT_COLUMN.fullmatch(word):
            names.append(word)
        else:
            known = [*FLAVOURS, "E_GeV", "E_lo_GeV", "E_hi_GeV"]
            raise InputError(
                where, f"column {word!r}", ", ".join(known), did_you_mean(word, known) + "Rename the column."
            )
    energies = [name for name in names if name in ("E", "E_lo", "E_hi")]
    if len(names) != len(set(names)):
        raise InputError(where, "a column that stands twice", "each column once", "Remove one of them.")
    if sorted(energies) not in (["E"], ["E_hi", "E_lo"]):
        found = f"energy columns {', '.join(energies)}" if energies else "no energy column"
        raise InputError(
            where, found, "`E_lo_GeV` and `E_hi_GeV` (edges), or `E_GeV` (centres)", "Name the energy columns."
        )
    if not any(name in FLAVOURS or _PARENT_COLUMN.fullmatch(name) for name in names):
        raise InputError(where, "no flavour", ", ".join(FLAVOURS), "Name the flux columns.")
    if len(units) > 1:
        raise InputError(
            where, f"energies in {' and '.join(sorted(units))}", "one unit", "Use one unit for all energies."
        )
    return _Header(tuple(names), next(iter(units), None), False)


def _numbers(header: _Header, rows: list[_Line], path: Path) -> Array:
    """Table of numbers, shape (rows, columns); every number finite, fluxes and energies not negative."""
    if not rows:
        raise InputError(str(path), "a header without numbers", "at least one line with numbers", "Add the flux table.")
    table: Array = np.empty((len(rows), len(header.names)))
    for i, row in enumerate(rows):
        where = f"{path}, line {row.number}"
        if len(row.words) != len(header.names):
            allowed = f"{len(header.names)} columns: {', '.join(header.names)}"
            raise InputError(where, f"{len(row.words)} columns", allowed, "Give every line the same columns.")
        for j, (word, column) in enumerate(zip(row.words, header.names, strict=True)):
            if not _is_number(word):
                raise InputError(where, f"{word!r} in column {column}", "a number", "Write for example `1.5e-12`.")
            table[i, j] = float(word)
            if not np.isfinite(table[i, j]) or table[i, j] < 0:
                raise InputError(
                    where, f"{word} in column {column}", "a finite number, zero or positive", "Correct the line."
                )
    return table


def _energy_scale(header: _Header, energy_unit: str | None, assume_gev: bool, path: Path) -> float:
    """Factor from the energies of the file to GeV."""
    if header.unit and energy_unit and header.unit != energy_unit:
        found = f"{header.unit} in the header and {energy_unit} in the argument"
        raise InputError(f"energy unit of {path}", found, "one unit", "Leave out the argument.")
    unit = header.unit or energy_unit or ("GeV" if assume_gev else None)
    if unit is None:
        do = "Write the unit in the header (`E_lo_GeV`) or give `energy_unit`."
        raise InputError(f"energy unit of {path}", "no statement", ", ".join(GEV), do)
    return GEV[unit]


def _edges(names: tuple[str, ...], numbers: Array, rows: list[_Line], scale: float, per_bin: bool, path: Path) -> Array:
    """Bin edges in GeV from the energy columns."""
    has_edges = "E_lo" in names
    with np.errstate(over="ignore"):  # an absurd energy becomes infinite and is refused below
        energy = numbers[:, names.index("E_lo" if has_edges else "E")] * scale
        top = numbers[:, names.index("E_hi")] * scale if has_edges else energy
    if top.max() > 1000:
        allowed = "neutrino energies up to 1000 GeV"
        raise InputError(
            str(path), f"energies up to {top.max():g} GeV", allowed, "If these are MeV, state the unit: `E_MeV`."
        )
    for i in np.flatnonzero(np.diff(energy) <= 0)[:1]:
        found = f"{energy[i + 1]:g} GeV after {energy[i]:g} GeV"
        raise InputError(
            f"{path}, line {rows[i + 1].number}", found, "increasing energies", "Sort the lines by energy."
        )
    if not has_edges:
        return _edges_from_centres(energy, rows, per_bin, path)
    for i in np.flatnonzero(top <= energy)[:1]:
        found = f"a bin from {energy[i]:g} to {top[i]:g} GeV"
        raise InputError(f"{path}, line {rows[i].number}", found, "E_hi above E_lo", "Swap the two edges.")
    gaps = np.abs(energy[1:] - top[:-1]) > 1e-6 * (top[1:] - energy[1:])
    for i in np.flatnonzero(gaps)[:1]:
        found = f"a bin that starts at {energy[i + 1]:g} GeV after one that ends at {top[i]:g} GeV"
        raise InputError(
            f"{path}, line {rows[i + 1].number}", found, "bins without gap or overlap", "Add the missing bin."
        )
    return np.append(energy, top[-1])


def _edges_from_centres(centres: Array, rows: list[_Line], per_bin: bool, path: Path) -> Array:
    if centres.size < 2:
        raise InputError(
            str(path), "one bin centre", "two or more", "Give the edges of a single bin: `E_lo_GeV,E_hi_GeV`."
        )
    even = np.linspace(centres[0], centres[-1], centres.size)
    uneven = np.abs(centres - even) > 0.01 * (even[1] - even[0])
    if per_bin and uneven.any():
        line = rows[int(np.flatnonzero(uneven)[0])].number
        do = "Give the edges: `E_lo_GeV,E_hi_GeV`."
        raise InputError(
            f"{path}, line {line}", "bin centres that are not equally spaced", "equal steps for `per-bin`", do
        )
    if not uneven.any():
        centres = even
    inner = (centres[1:] + centres[:-1]) / 2
    first, last = 1.5 * centres[0] - 0.5 * centres[1], 1.5 * centres[-1] - 0.5 * centres[-2]
    if first < -1e-6 * centres[1] and per_bin:
        found = f"a first bin centre at {centres[0]:g} GeV with bins of {centres[1] - centres[0]:g} GeV"
        raise InputError(
            f"{path}, line {rows[0].number}", found, "bin centres", "If these are lower edges, give `E_lo,E_hi`."
        )
    return np.concatenate([[max(first, 0.0)], inner, [last]])
