"""Flux histograms of ROOT files: one TH1 per flavour."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from darkhorn.fluxes.readers import meaning_of
from darkhorn.fluxes.root_files import names_in, open_root
from darkhorn.fluxes.tables import FLAVOURS, NAMES, Flux, FluxSet
from darkhorn.kernels.errors import InputError, did_you_mean


def read_root_histograms(
    path: str | Path, *, content: str | None, unit: str | None, names: Mapping[int, str] | None = None
) -> FluxSet:
    """The fluxes of a ROOT file. Result: cm^-2 POT^-1 per bin.

    content, unit  what a number of the file means: as for `readers.read_flux_file`
    names          {PDG code: name of its histogram}; without it the histograms called numu, numubar, nue, nuebar

    Energies are in GeV; underflow and overflow are left out. Raises InputError for everything that cannot be used.
    """
    path = Path(path)
    width, per_cm2 = meaning_of(content, unit, path)
    with open_root(path) as file:
        have = {name: kind for name, kind in names_in(file).items() if kind.startswith("TH1")}
        wanted = dict(names or {pdg: name for name, pdg in FLAVOURS.items() if name in have})
        if not wanted:
            allowed = f"histograms called {', '.join(FLAVOURS)}, or `histograms` in the card"
            found = f"the histograms {', '.join(list(have)[:12]) or '(none)'}"
            raise InputError(str(path), found, allowed, "Say which histogram is which flavour: `histograms:`.")
        fluxes = {}
        for pdg, name in wanted.items():
            if name not in have:
                do = did_you_mean(name, list(have)) + f"For the flavour {NAMES[pdg]}."
                raise InputError(str(path), f"no histogram {name}", ", ".join(list(have)[:12]) or "(none)", do)
            heights, edges = (np.asarray(a, np.float64) for a in file[name].to_numpy())
            if edges[-1] > 1000:
                do = "If these are MeV, make the histogram in GeV."
                raise InputError(f"{path}, {name}", f"energies up to {edges[-1]:g} GeV", "up to 1000 GeV", do)
            if heights.any():
                per_bin = heights * (1.0 if width is None else np.diff(edges) / width) * per_cm2
                fluxes[pdg] = Flux.from_bins(pdg, edges, per_bin, f"{path}, {name}")
    if not fluxes:
        raise InputError(str(path), "zero flux in every bin", "a flavour with flux", "Check the histograms.")
    return FluxSet(path.stem, "user", "user", "user", f"read from {path.name}: flux {content}, in {unit}", fluxes)


def write_root_histograms(path: Path, histograms: Mapping[str, tuple[Any, Any, Any, str]]) -> None:
    """A new ROOT file of TH1D: {name: (edges (n + 1,), content (n,), error (n,), title)}. Raises InputError without
    uproot.
    """
    from darkhorn.fluxes.root_files import uproot_module

    uproot = uproot_module("-o")
    from uproot.writing.identify import to_TAxis, to_TH1x

    with uproot.recreate(path) as file:
        for name, (edges, content, error, title) in histograms.items():
            with_flow = np.concatenate([[0.0], content, [0.0]])
            squares = np.concatenate([[0.0], np.square(error), [0.0]])
            centres = (edges[1:] + edges[:-1]) / 2
            even = np.allclose(np.diff(edges), edges[1] - edges[0], rtol=1e-9)
            axis = to_TAxis(
                "xaxis", "energy (GeV)", len(content), float(edges[0]), float(edges[-1]), None if even else edges
            )
            file[name] = to_TH1x(
                fName=None, fTitle=title, data=with_flow, fEntries=float(len(content)), fTsumw=float(content.sum()),
                fTsumw2=float(squares.sum()), fTsumwx=float((content * centres).sum()),
                fTsumwx2=float((content * centres**2).sum()), fSumw2=squares, fXaxis=axis,
            )  # fmt: skip
