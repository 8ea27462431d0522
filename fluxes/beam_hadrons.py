"""What hadrons do in a beam: one record per material of the target, with everything that depends on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.graphite_cross_sections import MASS_NUMBER, PROTON_ON_CARBON, graphite_table
from darkhorn.fluxes.hadron_cross_sections import cross_sections, interaction_lengths, matter_table, quasi_elastic
from darkhorn.fluxes.hadron_production import (
    BERYLLIUM,
    ETA_PER_PI0,
    GRAPHITE,
    NEUTRAL_BERYLLIUM,
    NEUTRAL_GRAPHITE,
    Production,
)
from darkhorn.fluxes.secondary_production import GRAPHITE_PIONS, PionSpectrum
from darkhorn.kernels.constants import AVOGADRO

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HadronModel:
    """Hadrons in one beam.

    production          mesons that are made, and their densities
    neutral             pi0 and eta, made only when asked for; eta_per_pi0: eta per pi0 of a beam proton, by default
    shares              batches per round of each: by what their neutrinos need, not by how many there are
    of_nucleons         mesons that secondary nucleons make
    cross_section       mb: for production by a beam proton, to which the densities are normalised
    length              mean free path of a beam proton for it, cm
    table               rows of cross-sections of a species: (production, elastic) in target and Al, losses, and
                        quasi-elastic scattering in both; see `hadron_cross_sections.matter_table`
    radiation_length    of the target, cm
    mass_number         of the target
    pions               spectra of pions from pions, by "same charge"; None: the flat guess
    crowding, forward   of the sampling: see `generator.beams.sources.production_cells`
    """

    production: Mapping[int, Production]
    neutral: Mapping[int, Production]
    eta_per_pi0: float
    shares: Mapping[int, int]
    of_nucleons: tuple[int, ...]
    cross_section: float
    length: float
    table: Callable[[int], Array]
    radiation_length: float
    mass_number: float
    pions: Mapping[bool, PionSpectrum] | None = None
    crowding: float = 1.0
    forward: float = 0.0


@cache
def hadron_model(material: str, momentum: float, density: float) -> HadronModel:
    """Protons of a momentum (GeV/c) on "beryllium" or "graphite" of a density (g/cm3). ValueError for other names."""
    if material == "beryllium":
        at = np.array([momentum])
        production = float(cross_sections(2212, "Be", at)[0][0] - quasi_elastic(2212, "Be", at)[0])
        return HadronModel(
            BERYLLIUM,
            NEUTRAL_BERYLLIUM,
            ETA_PER_PI0[material],
            {211: 3, -211: 3, 321: 2, -321: 1, 130: 1},
            (211, -211, 321),
            production,
            1 / float(interaction_lengths(2212, "Be", at)[0][0]),
            matter_table,
            65.19 / density,  # radiation lengths: PDG tables of materials
            9.0,
        )
    if material == "graphite":
        per_cm = AVOGADRO * density / MASS_NUMBER["C"] * 1e-27 * PROTON_ON_CARBON
        return HadronModel(
            GRAPHITE,
            NEUTRAL_GRAPHITE,
            ETA_PER_PI0[material],
            {211: 3, -211: 3, 321: 2, -321: 1, 130: 1},
            (211, -211, 321, -321),
            PROTON_ON_CARBON,
            1 / per_cm,
            lambda pdg: graphite_table(pdg, density),
            42.70 / density,
            12.011,
            GRAPHITE_PIONS,
            crowding=2.0,
            forward=4.0,
        )
    raise ValueError(f"no model of hadrons in {material}")
