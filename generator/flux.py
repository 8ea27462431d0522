"""The flux of a source at a detector as a document, which `files.flux_file` writes: of a card, or of a beam by name."""

from pathlib import Path
from typing import Any

import numpy as np

from darkhorn.fluxes.rays import RayTable
from darkhorn.fluxes.readers import read_ratio_table
from darkhorn.generator.beams.beam_flux import EDGES, NUMI_EDGES
from darkhorn.generator.beams.neutral_mesons import NO_NEUTRALS, NeutralMesons
from darkhorn.generator.beams.ray_flux import (
    flux_of,
    neutrinos_of,
    points_on,
    reweighted,
    seen_at,
    seen_in,
    simulated_rays,
)
from darkhorn.generator.beams.simulate import STOPPED_KAONS, beamline, simulate_flux
from darkhorn.generator.beams.windows import window
from darkhorn.generator.card_sources import BeamlineSource, RaysSource
from darkhorn.generator.experiment import FLAVOUR_PDG, detector_of, experiment
from darkhorn.generator.files.flux_file import UNIT
from darkhorn.generator.files.ray_file import write_rays
from darkhorn.generator.ray_source import check_frame, parents_of_card
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.numi import NUMI
from darkhorn.kernels.errors import InputError


def flux_of_beam(
    beam: str,
    mode: str,
    detector: str,
    particles: int,
    seed: int = 1,
    secondaries: bool = True,
    rays: Path | None = None,
    reweight: str | None = None,
    overwrite: bool = False,
    ideal_horns: bool = False,
    stopped: float | None = None,
    mesons: NeutralMesons = NO_NEUTRALS,
) -> dict[str, Any]:
    """The flux of a simulated beam, averaged over the window of a shipped detector (`beams.windows`).

    rays: file for the rays too; reweight: table of ratios (`beams.ray_flux.reweighted`); ideal_horns, stopped: as
    `beams.simulate.simulate_flux`; mesons: pi0 and eta for `rays`. Raises InputError and OutputError.
    """
    place = beamline(beam)
    if stopped is not None and place.absorber is None:
        raise InputError("--stopped-kaons", beam, "numi-le or numi-me", "Leave it out: nothing is known there.")
    stopped = STOPPED_KAONS if stopped is None else stopped
    at = window(detector, beam)
    if mesons.species and rays is None:
        raise InputError(
            "--mesons", "no ray file", "--rays FILE.h5", "pi0 and eta make no neutrinos: write their rays."
        )
    if rays is None and reweight is None:
        first = (beam, mode, (detector,), particles, seed, secondaries)
        found = simulate_flux(*first, ideal_horns=ideal_horns, stopped=stopped)[0].document()
        return {**found, "source": f"simulated, seed {seed}", "reweight": None}
    if reweight is not None:
        read_ratio_table(reweight)  # what is wrong with it is said before the work
    table = simulated_rays(
        beam, mode, particles, seed, secondaries, ideal_horns=ideal_horns, stopped=stopped, mesons=mesons
    )
    if rays is not None:
        write_rays(table, rays, overwrite)
    chosen = neutrinos_of(table, seed)
    energy, flux = seen_at(chosen, points_on(at, len(chosen), seed))
    return _document(chosen, energy, flux, detector, reweight, reweight)


def flux_of_card(card: RunCard, rays: Path | None = None, overwrite: bool = False) -> dict[str, Any]:
    """The flux of a card's source: of rays, averaged over `decay_in`; of a table, the table, without errors.

    rays: file for the rays. Raises InputError, OutputError.
    """
    if not isinstance(card.source, RaysSource | BeamlineSource):
        if rays is not None:
            raise InputError("--rays", "a card with a flux table", "a source of rays", "A table has no rays.")
        return _of_table(card)
    source: Any = card.source
    detector = detector_of(card)
    card.check_names(volumes=tuple(detector.volumes))
    table = parents_of_card(card)
    check_frame(card, table)
    if rays is not None:
        write_rays(table, rays, overwrite)
    chosen = neutrinos_of(table, source.seed)
    chosen = chosen.where(np.isin(chosen["nu_pdg"], [FLAVOUR_PDG[flavour] for flavour in source.flavours]))
    if not len(chosen):
        raise InputError("source.flavours", ", ".join(source.flavours), "flavours of the rays", "Choose others.")
    energy, flux = seen_in(chosen, detector, card.decay_in, source.seed)
    path = None if source.reweight is None else str(card.locate(source.reweight, "source.reweight"))
    return _document(chosen, energy, flux, detector.name, path, source.reweight)


def _document(
    table: RayTable, energy: Any, flux: Any, detector: str, reweight: str | None, shown: str | None
) -> dict[str, Any]:
    if reweight is not None:
        flux = flux * reweighted(table, energy, reweight)
    top = float(energy[flux > 0].max()) if (flux > 0).any() else 0.0
    edges = NUMI_EDGES if table.header.get("beam") in NUMI else EDGES
    if top >= edges[-1]:
        edges = 0.05 * np.arange(int(top / 0.05) + 2, dtype=np.float64)
    found = flux_of(table, energy, flux, detector, edges)
    about = {"source": table.source, "pot": table.pot, "reweight": shown}
    return {**found.document(), **about}


def _of_table(card: RunCard) -> dict[str, Any]:
    """Tables of flavours with different bins are put into the bins of the finest one."""
    made = experiment(card)
    fluxes = made.fluxes.fluxes
    finest = max(fluxes.values(), key=lambda flux: len(flux.content))
    low, high = min(f.edges[0] for f in fluxes.values()), max(f.edges[-1] for f in fluxes.values())
    edges = finest.edges
    edges = np.concatenate([[low] if low < edges[0] else [], edges, [high] if high > edges[-1] else []])
    rows = []
    for pdg, flux in fluxes.items():
        same = len(flux.edges) == len(edges) and bool(np.all(flux.edges == edges))
        content = (flux if same else flux.rebin(edges)).content.tolist()
        rows.append({"pdg": pdg, "parent": "total", "content": content, "error": [0.0] * len(content)})
    names = {"beam": made.fluxes.beam, "mode": made.fluxes.mode, "detector": made.detector.name, "particles": 0}
    about = {"source": made.fluxes.source, "reweight": None}
    return {**names, "edges_GeV": edges.tolist(), "unit": UNIT, "rows": rows, **about}
