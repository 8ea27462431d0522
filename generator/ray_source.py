"""A source of rays in the chain of an event: its parameters, made on the host, and its stages.

A ray is chosen in proportion to its flux in the detector; then, when the place of the scattering is known, the neutrino
flies there from the place of the decay, with the energy and the flux that its parent sends in that direction
(`kernels.location`). The two factors of the weight are the flux at the point at which the ray was first looked at, over
the probability of the choice, and the ratio of the flux at the scattering to it: their product is exact, whatever the
point was. Sampled backwards, from the decay of the long-lived particle, energy and probability are those towards the
place of that decay: see docs/rays.md for what that leaves out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.rays import RayTable
from darkhorn.generator.beams.neutral_mesons import NeutralMesons
from darkhorn.generator.beams.ray_flux import neutrinos_of, reweighted, seen_in, simulated_rays
from darkhorn.generator.card_sources import MESONS, BeamlineSource, RaysSource
from darkhorn.generator.chain import Chain, Params, Stage, State
from darkhorn.generator.files.ray_file import read_rays
from darkhorn.generator.runcard import RunCard
from darkhorn.generator.stages import FLUX
from darkhorn.geometry.detectors import Detector, direction_to_detector, to_beam, to_detector
from darkhorn.geometry.numi import NUMI, PLACES, Placement
from darkhorn.kernels.constants import SPEED_OF_LIGHT
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.kinematics import Vector, four
from darkhorn.kernels.location import neutrino_at

Array = NDArray[np.float64]
MOST_RAYS = 1 << 15  # of one flavour: what a channel holds; more are thinned out, see `_thinned`
BIN_WIDTH = 0.05  # GeV, of the histogram of the rays
# rays below threshold at the point where they were looked at may be above it elsewhere: they keep this share
_BELOW = 1e-3
_BNB_ENDS = 6000.0  # cm: the dump is at 50.31 m, and what decays in it does so within a few metres
_PLACES = ("x", "y", "z", "px", "py", "pz", "spin_x", "spin_y", "spin_z")


@dataclass(frozen=True, eq=False)
class RaySource:
    """Rays of one flavour, detector frame, in the order of their energy at the point where they were looked at.

    columns  place (cm), momentum and E* (GeV), spin axis, mass (GeV), weight (decays per proton), time (ns), (n,)
    energy   GeV, and flux, cm^-2 per proton, at that point, (n,)
    stands_for  how many rays of the source each stands for: 1 where none was thinned out
    """

    electron: bool
    columns: dict[str, Array]
    energy: Array
    flux: Array
    stands_for: Array

    def histogram(self) -> tuple[Array, Array]:
        """(edges, content): flux averaged over the volumes of decay, for the header and for thresholds."""
        edges: Array = BIN_WIDTH * np.arange(int(self.energy.max() / BIN_WIDTH) + 2, dtype=np.float64)
        return edges, np.histogram(self.energy, edges, weights=self.flux)[0]

    def parameters(self, lowest: float) -> dict[str, Any]:
        """params["flux"] of `RAY_FLUX` and `RAY_SIGHT`, without `pot`; arrays are padded to a power of two."""
        share = self.flux * np.where(self.energy >= 0.9 * lowest, 1.0, _BELOW)
        share = share / share.sum()
        return {
            "low": np.asarray(lowest),
            "cumulative": _padded(np.cumsum(share) / np.sum(share)),
            "gain": _padded(self.flux / share),
            **self._shared,
        }

    @cached_property
    def _shared(self) -> dict[str, Array]:
        """What all channels have in common: one copy."""
        return {
            "electron": np.asarray(float(self.electron)),
            "per_flux": _padded(self.columns["weight"] / self.flux),
            "stands_for": _padded(self.stands_for),
            **{name: _padded(self.columns[name]) for name in (*_PLACES, "mass", "energy_star", "time")},
        }


def _padded(values: Array) -> Array:
    """The values and their last one again, up to a power of two: tables of different lengths share programs."""
    number = len(values)
    return np.concatenate([values, np.repeat(values[-1:], (1 << max(number - 1, 1).bit_length()) - number)])


@dataclass(frozen=True, eq=False)
class CardRays:
    """The rays of a card by flavour (PDG code), the name of the beam, what they are, and for the header of events the
    record of `_record`.
    """

    flavours: dict[int, RaySource]
    beam: str
    source: str
    record: dict[str, Any]


def ray_source(card: RunCard, detector: Detector) -> CardRays:
    """The rays of a card with a source of rays. Raises InputError."""
    parents = parents_of_card(card)
    table = neutrinos_of(parents, _seed(card))
    check_frame(card, table)
    energy, flux = seen_in(table, detector, card.decay_in, _seed(card))
    reweight = card.source.reweight  # type: ignore[attr-defined]
    name = table.source
    if reweight is not None:
        factor = reweighted(table, energy, card.locate(reweight, "source.reweight"))
        columns = {**table.columns, "weight": table["weight"] * factor}
        table, flux = replace(table, columns=columns), flux * factor
        name += f", reweighted with {reweight}"
    found, errors = {}, {}
    for pdg in (14, -14, 12, -12):
        mine = (table["nu_pdg"] == pdg) & (flux > 0)
        if mine.any():
            errors[str(pdg)] = float(np.sqrt(np.sum(flux[mine] ** 2)) / np.sum(flux[mine]))
            found[pdg] = _flavour(table.where(mine), energy[mine], flux[mine], pdg, detector, _seed(card))
    if not found:
        raise InputError("source", f"no neutrino of {table.source} in the detector", "a flux above 0", "Check it.")
    record = {**_record(parents), "flux_error": errors}
    return CardRays(found, str(table.header.get("beam", "rays")), name, record)


def _record(table: RayTable) -> dict[str, Any]:
    """What says which rays they were: {source, n_rays, pot, frame, header, files: [{name, format, sha256, n_rays,
    pot}]}; files is empty for rays that were simulated inline.
    """
    header = {key: value for key, value in table.header.items() if key != "files"}
    about = {"source": table.source, "n_rays": len(table), "pot": table.pot, "frame": table.frame}
    return {**about, "header": header, "files": list(table.header.get("files", ()))}


def placement_of(card: RunCard) -> Placement | None:
    """Where the detector of a card stands in the frame of its rays, if that is known and is not the frame of the BNB,
    in which detectors ship. Raises InputError for files that cannot be read.
    """
    if not isinstance(card.source, RaysSource | BeamlineSource) or card.detector.frame is not None:
        return None
    if isinstance(card.source, BeamlineSource):
        beam = card.source.beam
    else:
        table = parents_of_card(card)
        beam = str(table.header.get("beam", "")) if table.frame == "beam" else ""
    return PLACES.get(card.detector.base or "") if beam in NUMI else None


def check_frame(card: RunCard, table: RayTable) -> None:
    """Refuse rays of another beam for a detector whose frame is that of the BNB; rays that do not say their beam, where
    they reach beyond the dump of the BNB. Raises InputError.
    """
    if table.frame != "beam":
        return
    _check_beam(card, str(table.header.get("beam", "bnb")))
    farthest = float(np.max(table["z"]))
    if "beam" not in table.header and card.detector.frame is None and farthest > _BNB_ENDS:
        found = f"the frame of the BNB for decays up to z = {farthest / 100:.4g} m"
        do = "Add `frame`: origin and rotation of the detector in the frame of the beam."
        raise InputError("detector.frame", found, f"decays up to {_BNB_ENDS / 100:g} m, or another frame", do)


def _check_beam(card: RunCard, beam: str) -> None:
    if beam != "bnb" and card.detector.frame is None and placement_of(card) is None:
        found = f"the frame of the BNB for rays of {beam}"
        do = f"Add `frame`: origin and rotation of the detector in the frame of {beam}."
        raise InputError("detector.frame", found, f"the frame of {beam}", do)


def parents_of_card(card: RunCard) -> RayTable:
    """The rays of a card as the file or the simulation gives them. Raises InputError; for a detector without a place
    in the beam before that is simulated.
    """
    source = card.source
    if isinstance(source, BeamlineSource):
        _check_beam(card, source.beam)
        species = tuple(MESONS[name] for name in source.mesons or ())
        mesons = NeutralMesons(species, source.pi0_per_pot, source.eta_per_pi0)
        return _simulated(source.beam, source.mode, source.particles, source.seed, source.secondaries, mesons)
    assert isinstance(source, RaysSource)
    paths = tuple(card.locate(name) for name in source.file)
    return _read(tuple((path, path.stat().st_mtime_ns) for path in paths))


def _seed(card: RunCard) -> int:
    seed: int = card.source.seed  # type: ignore[attr-defined]
    return seed


@lru_cache(maxsize=2)
def _simulated(beam: str, mode: str, particles: int, seed: int, secondaries: bool, mesons: NeutralMesons) -> RayTable:
    """A scan builds its card at several points: the beam is simulated once."""
    return simulated_rays(beam, mode, particles, seed, secondaries, mesons=mesons)


@lru_cache(maxsize=2)
def _read(files: tuple[tuple[Path, int], ...]) -> RayTable:
    return read_rays(*(path for path, _ in files))


def _flavour(table: RayTable, energy: Array, flux: Array, pdg: int, detector: Detector, seed: int) -> RaySource:
    order = np.argsort(energy, kind="stable")
    table, energy, flux = table.where(order), energy[order], flux[order]
    weight, factor = table["weight"], np.ones(len(table))
    if len(table) > MOST_RAYS:
        chosen, factor = _thinned(flux, MOST_RAYS, seed)
        table, energy = table.where(chosen), energy[chosen]
        flux, weight = flux[chosen] * factor, weight[chosen] * factor
    columns = {name: np.asarray(table[name], np.float64) for name in ("energy_star", *_PLACES)}
    columns["time"] = _times(table, detector)
    if table.frame == "beam":
        for heads, move in (("", to_detector), ("p", direction_to_detector), ("spin_", direction_to_detector)):
            moved = move(detector, *(columns[f"{heads}{a}"] for a in "xyz"))
            columns |= {f"{heads}{a}": np.asarray(values) for a, values in zip("xyz", moved, strict=True)}
    return RaySource(abs(pdg) == 12, {**columns, "mass": table.mass, "weight": weight}, energy, flux, factor)


def _times(table: RayTable, detector: Detector) -> Array:
    """Time (ns) of each decay; where it is not known, that of light from z = 0 of the beam."""
    place: Any = tuple(np.asarray(table[a], np.float64) for a in "xyz")
    if table.frame == "detector":
        place = to_beam(detector, *place)
    light = np.linalg.norm(np.asarray(place), axis=0) / SPEED_OF_LIGHT
    return np.where(np.isnan(table["time"]), light, table["time"])


def _thinned(flux: Array, number: int, seed: int) -> tuple[NDArray[np.intp], Array]:
    """(indices, factors): rays drawn in proportion to their flux, in even steps along the list from one random start,
    which leaves the sum of the flux as it is and its spectrum right within one ray of `number`.
    """
    below = np.cumsum(flux)
    steps = (np.arange(number) + np.random.default_rng((seed, 11)).random()) * (below[-1] / number)
    chosen = np.minimum(np.searchsorted(below, steps, side="right"), len(flux) - 1)
    return chosen, below[-1] / (number * flux[chosen])


# ------------------------------------------------------------------------------------------------------------
# stages
def _ray_flux(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """The number of a ray; the factor is its flux where it was first looked at over its probability, times the
    exposure: neutrinos per cm^2. params["flux"]: `RaySource.parameters` and `pot`.
    """
    p = params["flux"]
    found = jnp.searchsorted(p["cumulative"], u[0], side="right")
    ray = jnp.minimum(found, p["cumulative"].shape[0] - 1).astype(jnp.int32)
    return {"ray": ray}, p["gain"][ray] * p["pot"]


def _ray_sight(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """The neutrino of the ray as it flies to the scattering or, backwards, to the decay; the factor is its flux there
    over that in `_ray_flux`, and 0 below the threshold params["flux"]["low"], with the energy of the threshold.
    """
    p, ray = params["flux"], state["ray"]
    backwards = "scatter_x" not in state
    point = Vector(*(state[f"{'decay' if backwards else 'scatter'}_{a}"] for a in "xyz"))
    place, momentum, axis = (Vector(*(p[f"{head}{a}"][ray] for a in "xyz")) for head in ("", "p", "spin_"))
    mass = p["mass"][ray]
    parent = four(jnp.sqrt(momentum.dot(momentum) + mass * mass), momentum)
    seen = neutrino_at(point, place, parent, mass, p["energy_star"][ray], axis, p["electron"] > 0)
    possible = seen.energy >= p["low"]
    columns = {"energy": jnp.where(possible, seen.energy, p["low"]), "birth_t": p["time"][ray]}
    if backwards:
        columns |= {f"birth_{a}": value for a, value in zip("xyz", place, strict=True)}
    else:
        columns |= {f"nu_d{a}": value for a, value in zip("xyz", seen.direction, strict=True)}
        columns["baseline"] = seen.distance
    return columns, jnp.where(possible, p["per_flux"][ray] * seen.per_area, 0.0)


RAY_FLUX = Stage("flux", ("ray",), _ray_flux, adapt=("ray",), density=FLUX.density)
RAY_SIGHT = Stage("line_of_sight", (), _ray_sight)


def by_rays(params: Params) -> bool:
    """Whether the source of a channel with these parameters is one of rays."""
    return "gain" in params["flux"]


def for_source(chain: Chain, params: Params) -> Chain:
    """A chain for a table of the flux as it is, or with the stages for rays if its parameters are those of rays."""
    return _with_rays(chain) if by_rays(params) else chain


@lru_cache
def _with_rays(chain: Chain) -> Chain:
    """One object for each chain. A mass drawn from a line shape needs the energy, and comes after it."""
    stages: list[Stage] = []
    late = [stage for stage in chain.stages if stage.name == "line_shape"]
    for stage in chain.stages:
        if stage.name == "flux":
            stages.append(RAY_FLUX)
        elif stage.name == "line_of_sight":
            stages += [RAY_SIGHT, *late]
        elif stage not in late:
            stages.append(stage)
    return Chain(tuple(stages), chain.prepare)
