"""Neutrino flux tables: the type that every source of a histogram gives, and the tables that ship with darkhorn."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkhorn.fluxes.curves import LogCurve
from darkhorn.kernels.errors import InputError, did_you_mean

Array = NDArray[np.float64]

FLAVOURS = {"numu": 14, "numubar": -14, "nue": 12, "nuebar": -12, "nutau": 16, "nutaubar": -16}
NAMES = {pdg: name for name, pdg in FLAVOURS.items()}
BIN_WIDTH = 0.01  # GeV, of the bins that a shipped curve is integrated into


@dataclass(frozen=True, eq=False)
class Flux:
    """Flux of one flavour. Make it with `from_bins`, which checks; the arrays cannot be written to.

    pdg      PDG code of the neutrino
    edges    (n+1,) bin edges in GeV, increasing
    content  (n,) neutrinos per cm^2 and proton on target in each bin
    """

    pdg: int
    edges: Array
    content: Array

    @classmethod
    def from_bins(cls, pdg: int, edges: ArrayLike, content: ArrayLike, where: str = "flux") -> "Flux":
        """Checked constructor. `where` names the table in the message of an InputError."""
        if pdg not in NAMES:
            raise InputError(
                where, pdg, f"the PDG code of a neutrino: {', '.join(map(str, NAMES))}", "Name the flavour."
            )
        where = f"{where}, {NAMES[pdg]}"
        try:
            energies, heights = np.array(edges, dtype=np.float64), np.array(content, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(where, "edges or content that are no numbers", "numbers", "Check the table.") from None
        if heights.ndim != 1 or heights.size == 0 or energies.shape != (heights.size + 1,):
            shapes = f"edges of shape {energies.shape} and content of shape {heights.shape}"
            raise InputError(where, shapes, "n + 1 edges for n bins, n at least 1", "Give bin edges, not bin centres.")
        if not np.isfinite(energies).all() or energies[0] < 0 or not (np.diff(energies) > 0).all():
            first = "edges " + ", ".join(f"{edge:g}" for edge in energies[:4]) + ("..." if energies.size > 4 else "")
            raise InputError(
                where, first, "finite edges in GeV, increasing from 0 or above", "Sort the table by energy."
            )
        bad = np.flatnonzero(~(np.isfinite(heights) & (heights >= 0)))
        if bad.size:
            found = f"{heights[bad[0]]:g} in the bin from {energies[bad[0]]:g} to {energies[bad[0] + 1]:g} GeV"
            raise InputError(
                where, found, "finite flux, zero or positive, in every bin", "Correct the bin, or cut the range."
            )
        with np.errstate(over="ignore"):
            total = heights.sum()
        if not np.isfinite(total):
            raise InputError(where, f"a sum of {total:g}", "a finite sum", "Check the unit of the flux.")
        if not heights.any():
            raise InputError(where, "zero flux in every bin", "a bin with flux", "Leave out flavours without flux.")
        energies.flags.writeable = heights.flags.writeable = False
        return cls(pdg, energies, heights)

    def integral(self, low: float | None = None, high: float | None = None) -> float:
        """Neutrinos per cm^2 and POT between two energies in GeV (default: all), the flux being even inside a bin."""
        bottom = float(self.edges[0]) if low is None else low
        top = float(self.edges[-1]) if high is None else high
        if not bottom <= top:
            raise InputError("flux integral", f"{bottom:g} to {top:g} GeV", "limits in increasing order", "Swap them.")
        below = self._cumulative(np.array([bottom, top]))
        return float(below[1] - below[0])

    def mean_energy(self) -> float:
        """Mean energy in GeV, every bin counted at its centre."""
        return float(np.sum((self.edges[1:] + self.edges[:-1]) / 2 * self.content) / np.sum(self.content))

    def rebin(self, edges: ArrayLike) -> "Flux":
        """The same flux in other bins, even inside each old bin; flux outside the new edges is dropped."""
        new = np.asarray(edges, dtype=np.float64)
        if new.ndim != 1 or new.size < 2:
            raise InputError(
                "rebin", f"edges of shape {new.shape}", "a list of 2 or more edges", "Give bin edges in GeV."
            )
        # rounding of the running sum may leave -1e-28 where there is no flux
        return Flux.from_bins(self.pdg, new, np.maximum(np.diff(self._cumulative(new)), 0.0), "rebin")

    def _cumulative(self, energy: Array) -> Array:
        total = np.concatenate([[0.0], np.cumsum(self.content)])
        below: Array = np.interp(energy, self.edges, total)
        return below


@dataclass(frozen=True, eq=False)
class FluxSet:
    """The fluxes of one beam at one place. `source` says where the numbers come from, with the reference.

    `fluxes` is keyed by PDG code (14, -14, 12, -12; +-16 only where a user's file has them).
    """

    name: str
    beam: str
    mode: str
    detector: str
    source: str
    fluxes: dict[int, Flux]

    def to_json(self) -> dict[str, dict[str, list[float]]]:
        """`{pdg: {edges_GeV, content}}`, content in cm^-2 POT^-1 per bin, as stored in the header of a run."""
        return {
            str(pdg): {"edges_GeV": flux.edges.tolist(), "content": flux.content.tolist()}
            for pdg, flux in self.fluxes.items()
        }


def load_data(name: str) -> dict[str, Any]:
    """A JSON file of `fluxes/data`, by its name without the ending. For the modules of this package."""
    text = resources.files("darkhorn.fluxes").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def shipped_names() -> tuple[str, ...]:
    """Names of the shipped tables, `beam-mode-detector`, sorted."""
    files = resources.files("darkhorn.fluxes").joinpath("data").iterdir()
    names = (file.name.removesuffix(".json") for file in files if file.name.endswith(".json"))
    return tuple(sorted(name for name in names if name.count("-") == 2))


def shipped_flux(beam: str, mode: str, detector: str) -> FluxSet:
    """Shipped flux, e.g. ("bnb", "neutrino", "microboone"): smooth curves integrated into bins of 10 MeV from 0 up.

    The range ends where the published table does (3 GeV for SBND, 6 to 8 GeV elsewhere). Accuracy against the
    published bins of 50 MeV: fluxes/data/README.md. Raises InputError for a beam, mode or detector without a table.
    """
    known = [tuple(name.split("-")) for name in shipped_names()]
    asked: tuple[str, ...] = ()
    for what, word in (("beam", beam), ("mode", mode), ("detector", detector)):
        choices = sorted({name[len(asked)] for name in known if name[: len(asked)] == asked})
        if word not in choices:
            given = f" of the {' '.join(asked)} flux" if asked else " of a flux table"
            raise InputError(
                f"{what}{given}",
                word,
                ", ".join(choices),
                did_you_mean(str(word), choices) + "Or give a flux file of your own.",
            )
        asked = (*asked, word)
    return _load("-".join(asked))


@cache
def _load(name: str) -> FluxSet:
    table = load_data(name)
    fluxes = {}
    for pdg, knots in table["knots"].items():
        curve = LogCurve(*np.array(knots, dtype=np.float64).T)
        edges = BIN_WIDTH * np.arange(round(curve.energy[-1] / BIN_WIDTH) + 1)
        fluxes[int(pdg)] = Flux.from_bins(int(pdg), edges, curve.integrate(edges), name)
    beam, mode, detector = name.split("-")
    return FluxSet(name, beam, mode, detector, table["source"], fluxes)
