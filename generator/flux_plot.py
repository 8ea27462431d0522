"""Picture of a flux: one panel per flavour with its parents, beside a reference table, and the ratio below."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.tables import FluxSet
from darkhorn.kernels.errors import InputError

Array = NDArray[np.float64]
_FLAVOURS = {
    14: r"$\nu_\mu$", -14: r"$\bar\nu_\mu$", 12: r"$\nu_e$", -12: r"$\bar\nu_e$", 16: r"$\nu_\tau$",
    -16: r"$\bar\nu_\tau$",
}  # fmt: skip
_PARENTS = {
    211: r"$\pi^+$", -211: r"$\pi^-$", 321: r"$K^+$", -321: r"$K^-$", 130: r"$K^0_L$", 13: r"$\mu^-$", -13: r"$\mu^+$",
    0: "unknown parent",
}  # fmt: skip
_COLOURS = {211: "C0", 321: "C1", 130: "C2", 13: "C3"}
_DECADES = 4  # of flux below its peak that a panel shows
_MOST_BINS = 100  # of a panel: finer ones are merged, a beam of 40 GeV would be drawn as noise


def draw_flux(document: dict[str, Any], reference: FluxSet | None, figure_class: Any) -> Any:
    """Figure of a flux document (`files.flux_file`): flux per GeV of each flavour, in all and by parent, with
    statistical errors, up to the energy above which 0.1 % of it is left, in at most 100 bins; with a reference, that
    table and flux / reference in those bins, or the coarser ones of the table.

    Raises InputError if the reference shares no flavour with it.
    """
    edges = np.asarray(document["edges_GeV"], np.float64)
    totals = {row["pdg"]: row for row in document["rows"] if row["parent"] == "total" and any(row["content"])}
    flavours = [pdg for pdg in _FLAVOURS if pdg in totals]
    if reference is not None:
        flavours = [pdg for pdg in flavours if pdg in reference.fluxes]
    if not flavours:
        found = ", ".join(map(str, totals)) or "nothing"
        raise InputError("FILE", f"flux of {found}", "a flavour with flux, and in the reference", "Check both.")
    rows = 1 if reference is None else 2
    figure = figure_class(figsize=(4.0 * max(len(flavours), 2), 3.4 + 1.7 * (rows - 1)), layout="constrained")
    panels = figure.subplots(rows, len(flavours), squeeze=False, height_ratios=[2.2, 1][:rows], sharex="col")
    for column, pdg in enumerate(flavours):
        parents = [r for r in document["rows"] if r["pdg"] == pdg and r["parent"] != "total" and any(r["content"])]
        bins, (total, *parents) = _merged(edges, [totals[pdg], *parents])
        _panel(panels[0, column], bins, total, parents, reference)
        if reference is not None:
            _ratio(panels[1, column], bins, total, reference)
        panels[-1, column].set_xlabel("neutrino energy (GeV)")
        panels[0, column].set_title(_FLAVOURS[pdg], fontsize=11)
    panels[0, 0].set_ylabel(r"flux (cm$^{-2}$ GeV$^{-1}$ POT$^{-1}$)")
    if reference is not None:
        panels[1, 0].set_ylabel("flux / reference")
    text = f"{document['beam']}, {document['mode']} mode, at {document['detector']}"
    if reference is not None:
        text += f"; reference: {reference.name}"
    if document.get("reweight"):
        text += f"; reweighted with {document['reweight']}"
    figure.suptitle(text, fontsize=10)
    return figure


def _end(edges: Array, content: Array) -> float:
    """Energy above which 0.1 % of the flux is left."""
    below = np.cumsum(content) / np.sum(content)
    return float(edges[1 + min(int(np.searchsorted(below, 0.999)), len(content) - 1)])


def _merged(edges: Array, rows: list[dict[str, Any]]) -> tuple[Array, list[dict[str, Any]]]:
    """Bins and rows with neighbouring bins added up, so that at most _MOST_BINS cover the flux of the first row."""
    shown = int(np.searchsorted(edges, _end(edges, np.asarray(rows[0]["content"]))))
    several = -(-shown // _MOST_BINS)
    starts = np.arange(0, len(edges) - 1, several)
    bins = np.append(edges[starts], edges[-1])
    return bins, [
        {
            **row,
            "content": np.add.reduceat(np.asarray(row["content"], np.float64), starts),
            "error": np.sqrt(np.add.reduceat(np.square(np.asarray(row["error"], np.float64)), starts)),
        }
        for row in rows
    ]


def _panel(
    panel: Any, edges: Array, total: dict[str, Any], parents: list[dict[str, Any]], reference: FluxSet | None
) -> None:
    width = np.diff(edges)
    content, error = (np.asarray(total[name]) / width for name in ("content", "error"))
    end = _end(edges, content * width)
    if reference is not None:
        table = reference.fluxes[total["pdg"]]
        values = table.content / np.diff(table.edges)
        panel.stairs(values, table.edges, color="0.55", lw=2.2, label="reference")
        end = max(end, _end(table.edges, table.content))
    panel.stairs(content, edges, color="k", lw=1.2, label="all")
    panel.stairs(content + error, edges, baseline=np.maximum(content - error, 0), fill=True, color="k", alpha=0.25)
    for row in sorted(parents, key=lambda r: -sum(r["content"])):
        style = "-" if row["parent"] > 0 or row["parent"] == -13 else "--"
        colour = _COLOURS.get(abs(row["parent"]), "C4")
        label = _PARENTS.get(row["parent"], str(row["parent"]))
        panel.stairs(np.asarray(row["content"]) / width, edges, color=colour, ls=style, lw=0.9, label=label)
    panel.set_yscale("log")
    top = content.max()
    panel.set_ylim(top * 10.0**-_DECADES, top * 4)
    panel.set_xlim(float(edges[0]), end)
    panel.legend(fontsize=7, frameon=False, ncols=2)


def _ratio(panel: Any, edges: Array, total: dict[str, Any], reference: FluxSet) -> None:
    """Flux over reference, where bins of both end; bins of the flux, or several of them if the reference is coarser."""
    table = reference.fluxes[total["pdg"]]
    common = edges[np.isclose(edges[:, None], table.edges, atol=1e-6).any(axis=1)]
    common = common[np.concatenate([[True], np.diff(common) > 1e-6])] if len(common) else common
    if len(common) < 2:  # no edge in common: the reference is taken as even inside its bins
        common = edges[(edges >= table.edges[0]) & (edges <= table.edges[-1])]
    if len(common) < 2:
        raise InputError("--reference", f"energies from {table.edges[0]:g} GeV", "energies of the flux", "Check it.")
    sums = np.concatenate([[0.0], np.cumsum(total["content"])])
    squares = np.concatenate([[0.0], np.cumsum(np.square(total["error"]))])
    content = np.diff(np.interp(common, edges, sums))
    error = np.sqrt(np.maximum(np.diff(np.interp(common, edges, squares)), 0))
    other = table.rebin(common).content
    there = other > 0
    ratio, spread = (np.where(there, a / np.where(there, other, 1.0), np.nan) for a in (content, error))
    panel.axhline(1.0, color="0.55", lw=1.5)
    panel.stairs(ratio, common, color="k", lw=1.2, baseline=None)
    low, high = np.nan_to_num(ratio - spread, nan=1.0), np.nan_to_num(ratio + spread, nan=1.0)
    panel.stairs(high, common, baseline=low, fill=True, color="k", alpha=0.25)
    panel.set_ylim(0, 2)
