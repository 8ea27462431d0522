"""From the card's source, detector and exposure to numbers: fluxes, line of sight, volumes, scatterers. Host side."""

import math
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.decay_line import decay_line
from darkhorn.fluxes.tables import Flux, FluxSet, shipped_flux
from darkhorn.generator.card_sources import BeamlineSource, RaysSource
from darkhorn.generator.files.flux_file import read_fluxes
from darkhorn.generator.ray_source import RaySource, placement_of, ray_source
from darkhorn.generator.runcard import RunCard
from darkhorn.generator.stages import flux_tables
from darkhorn.geometry.detector_specs import shipped_specification
from darkhorn.geometry.detectors import Detector, detector_from_spec
from darkhorn.geometry.materials import number_density
from darkhorn.geometry.volumes import Tube
from darkhorn.kernels.constants import MASS_MUON, MASS_PION
from darkhorn.kernels.errors import InputError

FLAVOUR_PDG = {"nu_e": 12, "nu_e_bar": -12, "nu_mu": 14, "nu_mu_bar": -14, "nu_tau": 16, "nu_tau_bar": -16}
FLAVOUR_NAME = {pdg: name for name, pdg in FLAVOUR_PDG.items()}
# Parents decay inside the bore that the beam leaves the collimator by (r = 35 cm at its exit, G4BNB geometry file);
# the transverse spread changes directions by less than 1 mrad.
BIRTH_RADIUS_CM = 35.0


@dataclass(frozen=True)
class Experiment:
    """Source and detector of a card.

    fluxes    neutrino flux per flavour at the reference point
    detector  volumes and frames
    pot       exposure
    beam      {pdg: numbers of the stage `line_of_sight`}
    spill     numbers of the stage `time`
    rays      {pdg: rays of that flavour}, for a source of rays; empty for a table, whose stages are others
    ray_record  which rays they are, for the header; empty for a table
    """

    fluxes: FluxSet
    detector: Detector
    pot: float
    beam: dict[int, dict[str, NDArray[np.float64]]]
    spill: dict[str, NDArray[np.float64]]
    rays: dict[int, RaySource] = field(default_factory=dict)
    ray_record: dict[str, Any] = field(default_factory=dict)

    def flux_params(self, pdg: int, lowest: float) -> dict[str, Any]:
        """params["flux"] of a channel for neutrinos `pdg` above the energy `lowest` (GeV)."""
        if pdg in self.rays:
            return {**self.rays[pdg].parameters(lowest), "pot": np.asarray(self.pot)}
        flux = self.fluxes.fluxes[pdg]
        return {**flux_tables(flux.edges, flux.content, lowest), "pot": np.asarray(self.pot)}

    def scatterers(self, region: str) -> dict[str, float]:
        """Nuclei per cm3 of each nuclide of a region, in units of 1e38."""
        return {name: n * 1e-38 for name, n in number_density(self.detector.volumes[region].material).items()}


def experiment(card: RunCard) -> Experiment:
    """Read the fluxes and place the detector. Raises InputError for what only the files and tables can tell."""
    detector = detector_of(card)
    card.check_names(volumes=tuple(detector.volumes))
    for name in card.decay_in:
        if isinstance(detector.volumes[name].shape, Tube):
            convex = [v for v, placed in detector.volumes.items() if not isinstance(placed.shape, Tube)]
            raise InputError(
                "decay_in", f"{name}, a tube", ", ".join(convex) or "a volume of another shape", "Choose one of these."
            )
    _check_disjoint(card.decay_in, detector, "decay_in")
    _check_disjoint(card.regions, detector, "regions")
    rays: dict[int, RaySource] = {}
    record: dict[str, Any] = {}
    if isinstance(card.source, RaysSource | BeamlineSource):
        found = ray_source(card, detector)
        rays, name, record = found.flavours, found.beam, found.record
        histograms = {pdg: found.histogram() for pdg, found in rays.items()}
        made = {pdg: Flux.from_bins(pdg, *h, name) for pdg, h in histograms.items()}
        fluxes = _chosen(card, FluxSet(name, name, "", detector.name, found.source, made))
        beam = {pdg: _frame(detector, card) for pdg in fluxes.fluxes}
    else:
        fluxes = _chosen(card, _fluxes(card, detector))
        beam = {pdg: _line(card, detector, pdg) for pdg in fluxes.fluxes}
    spill = card.source.spill  # type: ignore[attr-defined]
    numbers = {"buckets": 1.0, "spacing_ns": 0.0, "sigma_ns": 0.0}
    if spill is not None:
        numbers = {"buckets": float(spill.buckets), "spacing_ns": spill.spacing, "sigma_ns": spill.sigma}
    return Experiment(
        fluxes, detector, card.exposure, beam, {k: np.asarray(v) for k, v in numbers.items()}, rays, record
    )


def _check_disjoint(names: tuple[str, ...], detector: Detector, key: str) -> None:
    """Refuse volumes that share space: their events would be counted twice. Tried on 1000 points of each."""
    points = jnp.asarray(np.random.default_rng(1).random((3, 1000)))
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            a, b = detector.volumes[one].shape, detector.volumes[other].shape
            if bool(a.contains(*b.sample_uniform(*points)).any() | b.contains(*a.sample_uniform(*points)).any()):
                raise InputError(
                    key,
                    f"{one} and {other}, which overlap",
                    "volumes that share no space",
                    "Take one of them, or spell out volumes that do not overlap: events would be counted twice.",
                )


def detector_of(card: RunCard) -> Detector:
    """The detector of a card. Raises InputError."""
    given = card.detector
    spec: dict[str, Any] = {"name": given.name, "volumes": {}, "flux": None, "source": "run card"}
    if given.base is not None:
        shipped = shipped_specification(given.base, "detector")
        spec = {**shipped, "name": given.name, "volumes": dict(shipped["volumes"])}
    materials = {
        name: {"density": material.density, "composition": dict(material.composition)}
        for name, material in given.materials.items()
    }
    for name, volume in given.volumes.items():
        # not `model_dump`, which writes lengths as text with their unit
        entry = {key: getattr(volume, key) for key in type(volume).model_fields if getattr(volume, key) is not None}
        if entry.get("shape") == "unchanged":
            if name not in spec["volumes"]:
                raise InputError(
                    f"detector.volumes.{name}", "unchanged", ", ".join(spec["volumes"]), "Give it a shape of its own."
                )
            entry = {**spec["volumes"][name], "material": entry["material"]}
        spec["volumes"][name] = entry
    for entry_name, entry in spec["volumes"].items():
        if entry["material"] in materials:
            spec["volumes"][entry_name] = {**entry, "material": materials[entry["material"]]}
    if given.frame is not None:
        spec["origin"], spec["rotation"] = given.frame.origin, given.frame.rotation
    elif (place := placement_of(card)) is not None:
        spec["origin"], spec["rotation"] = place.origin, tuple(zip(*place.rotation, strict=True))
        spec["baseline"] = math.hypot(*place.origin)
    if given.baseline is not None:
        spec["baseline"] = given.baseline
    return detector_from_spec(spec, "detector")


def _fluxes(card: RunCard, detector: Detector) -> FluxSet:
    source: Any = card.source
    if source.file is not None:
        path = card.locate(source.file)
        pdg = FLAVOUR_PDG[source.flavour] if source.flavour else None
        found = read_fluxes(
            path,
            content=source.content,
            unit=source.unit,
            pdg=pdg,
            histograms={FLAVOUR_PDG[flavour]: name for flavour, name in source.histograms.items()},
        )
    elif detector.flux_name is None:
        raise InputError(
            "source",
            f"no shipped flux for the detector {detector.name}",
            "a flux file, or a detector that starts from a shipped one with `base`",
            "Add `file:`, `content:` and `unit:` to `source`.",
        )
    else:
        found = shipped_flux(source.beam, source.mode, detector.flux_name)
    return found


def _chosen(card: RunCard, found: FluxSet) -> FluxSet:
    """The flavours that the card asks for."""
    source: Any = card.source
    wanted = {FLAVOUR_PDG[flavour] for flavour in source.flavours}
    chosen = {pdg: flux for pdg, flux in found.fluxes.items() if pdg in wanted}
    if not chosen:
        have = ", ".join(FLAVOUR_NAME.get(pdg, str(pdg)) for pdg in found.fluxes)
        raise InputError("source.flavours", ", ".join(source.flavours), have, "The flux has other flavours.")
    return FluxSet(found.name, found.beam, found.mode, found.detector, found.source, chosen)


def _frame(detector: Detector, card: RunCard) -> dict[str, NDArray[np.float64]]:
    """Numbers of the stage `line_of_sight` that do not depend on where parents decay: beam axes and origin in the
    detector frame, and the place for which a table holds. Not parallel, z from 0: rays bring their own places.
    """
    rotation = np.array(detector.rotation)  # detector -> beam
    to_detector = rotation.T
    origin = -to_detector @ np.array(detector.origin_cm)
    # the flux holds at the distance `baseline` on the way to the detector
    shapes = [detector.volumes[name].shape for name in card.decay_in]
    sizes = [float(shape.volume()) for shape in shapes]
    centre = np.average([np.asarray(shape.centre, np.float64) for shape in shapes], axis=0, weights=sizes)
    way = centre - origin
    numbers: dict[str, Any] = {
        "axes": rotation,  # row i: beam axis i in the detector frame
        "origin": origin,
        "reference": origin + way * (detector.baseline_cm / np.linalg.norm(way)),
        "parallel": 0.0,
        "start_cm": 0.0,
    }
    return {key: np.asarray(value, np.float64) for key, value in numbers.items()}


def _line(card: RunCard, detector: Detector, pdg: int) -> dict[str, NDArray[np.float64]]:
    """Numbers of the stage `line_of_sight` for a table: its frame, and parents along the line."""
    source: Any = card.source
    line = source.decay_line
    numbers: dict[str, Any] = {
        **_frame(detector, card),
        "radius_cm": BIRTH_RADIUS_CM,
        "parallel": float(line is None),
    }
    if line is None or line.end <= line.start:
        # all born at the start of the line; if they are parallel, only the distance to it counts
        at = 0.0 if line is None else line.start
        numbers |= {"start_cm": at, "end_cm": at + 1e-6, "energy_step": 1.0, "radius_cm": 0.0}
        numbers |= {"share": np.ones((1, 2)), "length_cm": np.ones((1, 2))}
    else:
        # a nu_tau was a nu_mu where it was born
        born = int(np.copysign(14, pdg)) if abs(pdg) == 16 else pdg
        shipped = decay_line(source.beam or "bnb", source.mode or "neutrino").parameters(born)
        numbers |= {**shipped, "end_cm": line.end, "start_cm": max(float(shipped["start_cm"]), line.start)}
    return {key: np.asarray(value, np.float64) for key, value in numbers.items()}


# gamma of the pion that sends a neutrino of 1 GeV forward: E_nu = (1 - m_mu^2/m_pi^2) E_pi
PARENT_GAMMA_PER_GEV = 1 / (1 - (MASS_MUON / MASS_PION) ** 2) / MASS_PION
