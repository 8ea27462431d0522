"""The flux of a beam at a detector, per neutrino, parent and origin."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.beams.rays import ORIGINS

Array = NDArray[np.float64]
EDGES: Array = 0.05 * np.arange(201, dtype=np.float64)  # GeV
NUMI_EDGES: Array = 0.05 * np.arange(801, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class BeamFlux:
    """Flux at a detector: content and variance per bin of `edges` (GeV), cm^-2 POT^-1.

    Both are keyed by (neutrino, parent, origin).
    parent: PDG code of the particle that decays to the neutrino; origin: index into `rays.ORIGINS`.
    """

    beam: str
    mode: str
    detector: str
    tracks: int
    content: dict[tuple[int, int, int], Array]
    variance: dict[tuple[int, int, int], Array]
    edges: Array = field(default_factory=lambda: EDGES)

    def total(self, pdg: int, parent: int | None = None, origin: int | None = None) -> tuple[Array, Array]:
        """Content and error per bin of a flavour, from one parent and one origin or from all."""
        keys = [k for k in self.content if k[0] == pdg and parent in (None, k[1]) and origin in (None, k[2])]
        zero = np.zeros(len(self.edges) - 1)
        return sum((self.content[k] for k in keys), zero), np.sqrt(sum((self.variance[k] for k in keys), zero))

    def document(self) -> dict[str, Any]:
        """`{beam, mode, detector, edges_GeV, unit, particles, origins, rows}`, the JSON of `darkhorn flux`."""
        names = {"beam": self.beam, "mode": self.mode, "detector": self.detector, "particles": self.tracks}
        unit = "cm^-2 POT^-1 per bin"
        return names | {
            "edges_GeV": self.edges.tolist(),
            "unit": unit,
            "origins": self.origins(),
            "rows": self.rows(),
        }

    def origins(self) -> dict[str, float]:
        """Share of each of `rays.ORIGINS` in the flux of nu_mu (anti-nu_mu in antineutrino mode)."""
        pdg = -14 if self.mode == "antineutrino" else 14
        all_ = float(self.total(pdg)[0].sum())
        kept = sorted({k[2] for k in self.content} - {-1})  # -1: not known
        return {ORIGINS[o]: float(self.total(pdg, origin=o)[0].sum()) / all_ if all_ > 0 else 0.0 for o in kept}

    def rows(self) -> list[dict[str, Any]]:
        """`{pdg, parent, content, error}` per neutrino flavour and parent, and its total (parent "total")."""
        found = []
        for pdg in (14, -14, 12, -12):
            for parent in [*sorted({k[1] for k in self.content if k[0] == pdg}), None]:
                content, error = self.total(pdg, parent)
                name = "total" if parent is None else parent
                found.append({"pdg": pdg, "parent": name, "content": content.tolist(), "error": error.tolist()})
        return found
