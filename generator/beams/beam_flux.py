"""Neutrinos of rays at a detector, and the flux of a beam there per neutrino, parent and origin."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.beams.rays import ORIGINS, Rays
from darkhorn.generator.beams.windows import Window, point_in
from darkhorn.generator.streams import uniforms
from darkhorn.kernels.kinematics import Vector, four
from darkhorn.kernels.location import muon_decay_factor, muon_spin_cosine, seen_from
from darkhorn.kernels.sampling import table_lookup

Array = NDArray[np.float64]
EDGES: Array = 0.05 * np.arange(201, dtype=np.float64)  # GeV
NUMI_EDGES: Array = 0.05 * np.arange(801, dtype=np.float64)


@partial(jax.jit, static_argnames=("polarised",))
def neutrinos_at(
    rays: Rays,
    mass: jax.Array,
    before_mass: jax.Array,
    branching: jax.Array,
    quantiles: jax.Array,
    at: Window,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
    polarised: str,
) -> tuple[jax.Array, jax.Array]:
    """Energy (GeV) and flux (cm^-2 per proton) of one neutrino of every ray, at a random point of a window. (n,)."""
    u = uniforms(key, low, high, 4)
    d = point_in(at, u[0], u[1], u[3]).plus(Vector(-rays.x, -rays.y, -rays.z))
    far = d.norm()
    n = d.scale(1 / far)
    p = rays.momentum
    parent = four(jnp.sqrt(p.dot(p) + mass * mass), p)
    star = table_lookup(quantiles, u[2] * (quantiles.shape[0] - 1))
    energy, per_solid_angle = seen_from(parent, mass, star, n)
    flux = rays.weight * branching * per_solid_angle / (far * far)
    if polarised:
        q = rays.before
        source = four(jnp.sqrt(q.dot(q) + before_mass * before_mass), q)
        cosine = muon_spin_cosine(parent, source, mass, n)
        flux = flux * muon_decay_factor(2 * star / mass, cosine, polarised == "e")
    return energy, flux


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
