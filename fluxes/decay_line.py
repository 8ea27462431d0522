"""The line along which the neutrinos of a beam are born: where their parents start, how far they fly, which ones."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkhorn.fluxes.tables import load_data
from darkhorn.kernels.errors import InputError, did_you_mean

Array = NDArray[np.float64]

# Order of the rows of `share` and `length_cm`. Masses in GeV and c tau in cm: PDG, Phys. Rev. D 110 (2024) 030001.
PARENTS = (211, 321, 130, 13)
MASS = {211: 0.13957039, 321: 0.493677, 130: 0.497611, 13: 0.1056583755}
CTAU_CM = {211: 780.45, 321: 371.1, 130: 1534.0, 13: 65863.8}

# 2 E*/M, with E* the neutrino energy in the rest frame of the parent: a fast parent of energy E sends its neutrino
# forward with (2 E*/M) E. Two-body decays: 1 - m_mu^2/M^2 (1 for pi -> e nu). Others: the mean over the spectrum,
# with constant form factors for K_e3 and K_mu3, and the Michel spectra of the muon (0.6 for nu_e, 0.7 for nu_mu).
ENERGY_RATIO = {
    14: {211: 1 - (MASS[13] / MASS[211]) ** 2, 321: 1 - (MASS[13] / MASS[321]) ** 2, 130: 0.467, 13: 0.7},
    12: {211: 1.0, 321: 0.532, 130: 0.529, 13: 0.6},
}
# Slower than this the forward formula is empty (a neutrino softer than from a parent at rest flew backwards or aside).
SMALLEST_MOMENTUM = 0.3  # p/M
GRID = (0.01, 10.0)  # GeV: step and end of the uniform grid, which starts at 0


@dataclass(frozen=True, eq=False)
class DecayLine:
    """Density of the birth position z of a neutrino of energy E: a sum over parents k of truncated exponentials,

        p(z|E) = sum_k share_k(E) exp(-(z - start)/lambda_k(E)) / [lambda_k (1 - exp(-(end - start)/lambda_k))]

    on start < z < end, along the beam axis, z from the origin of the beam frame.

    name, mode  beam and horn polarity
    start_cm    mean place where parents are made; end_cm  end of the decay region
    energy      (n,) GeV, uniform grid from 0
    share       {pdg: (4, n)}: probability of the parents pi+-, K+-, K0L, mu+- (`PARENTS`), sum 1
    length_cm   {pdg: (4, n)}: their decay lengths (p/M) c tau
    source      where the numbers come from

    Limits: parents are taken along the axis and are not lost on the walls, which makes the mean z too large for soft
    neutrinos; muons are taken as born at the start (their decay length is longer than the line by far).
    """

    name: str
    mode: str
    start_cm: float
    end_cm: float
    energy: Array
    share: dict[int, Array]
    length_cm: dict[int, Array]
    source: str

    def parameters(self, pdg: int) -> dict[str, Array]:
        """Arrays for a device function: start_cm, end_cm, energy_step (scalars), share and length_cm (4, n).

        Values at E lie at index E / energy_step, straight lines between; constant above the last.
        """
        pdg = self._known(pdg)
        return {
            "start_cm": np.asarray(self.start_cm),
            "end_cm": np.asarray(self.end_cm),
            "energy_step": np.asarray(self.energy[1] - self.energy[0]),
            "share": self.share[pdg],
            "length_cm": self.length_cm[pdg],
        }

    def at(self, pdg: int, energy: ArrayLike) -> tuple[Array, Array]:
        """Shares and decay lengths (cm) at energies in GeV. Shapes: energy (m,); both results (4, m)."""
        pdg = self._known(pdg)
        e = np.asarray(energy, dtype=np.float64)
        share = np.array([np.interp(e, self.energy, row) for row in self.share[pdg]])
        length = np.array([np.interp(e, self.energy, row) for row in self.length_cm[pdg]])
        return share, length

    def pion_fraction(self, pdg: int, energy: ArrayLike) -> Array:
        """Share of the neutrinos of energy E (GeV) that come from pions. Shape of the input."""
        fraction: Array = self.at(pdg, energy)[0][0]
        return fraction

    def density(self, pdg: int, energy: ArrayLike, z_cm: ArrayLike) -> Array:
        """p(z|E) in 1/cm. Shapes: energy (m,) in GeV, z_cm (m,); result (m,)."""
        share, length = self.at(pdg, energy)
        z = np.asarray(z_cm, dtype=np.float64)
        pipe = self.end_cm - self.start_cm
        inside = (z >= self.start_cm) & (z <= self.end_cm)
        flown = np.where(inside, z - self.start_cm, 0.0)
        parts = share * np.exp(-flown / length) / (-length * np.expm1(-pipe / length))
        result: Array = np.where(inside, parts.sum(axis=0), 0.0)
        return result

    def mean_position(self, pdg: int, energy: ArrayLike) -> Array:
        """Mean of z in cm. Shape of the input energies (m,) in GeV."""
        share, length = self.at(pdg, energy)
        pipe = self.end_cm - self.start_cm
        flown: Array = np.sum(share * (length - pipe / np.expm1(pipe / length)), axis=0)
        return self.start_cm + flown

    def _known(self, pdg: int) -> int:
        if pdg not in self.share:
            raise InputError(f"{self.name} decay line", pdg, ", ".join(map(str, self.share)), "Give a PDG code.")
        return pdg


def decay_length(parent: int, energy_ratio: float, energy: Array) -> Array:
    """Decay length (p/M) c tau in cm of the parent of a neutrino of energy E (GeV) emitted forward. Shape of the input.

    E = E* (E_parent + p)/M  =>  p/M = (s - 1/s)/2  with  s = E/E* = 2 E/(ratio M);  fast parents: E_parent = E/ratio.
    Not below 0.3 c tau, where the formula has no forward solution. Parent: absolute PDG code.
    """
    s = np.maximum(2 * energy / (energy_ratio * MASS[parent]), 1.0)
    return np.maximum((s - 1 / s) / 2, SMALLEST_MOMENTUM) * CTAU_CM[parent]


def decay_line(beam: str, mode: str) -> DecayLine:
    """The decay line of a beam ("bnb") in a mode ("neutrino" or "antineutrino").

    Geometry of the BNB, from the geometry file of the public G4BNB simulation: Be target from 3.49 to 74.61 cm
    downstream of the front face of the horn (z = 0), where protons interact at 28.6 cm on average (interaction length
    38.15 cm); decay region up to the steel dump at 50.31 m. Shares of parents: published for neutrino mode; in
    antineutrino mode those of the opposite charge are taken.
    """
    if beam != "bnb":
        raise InputError(
            "beam of a decay line", beam, "bnb", did_you_mean(str(beam), ["bnb"]) + "Only the BNB is known."
        )
    modes = ("neutrino", "antineutrino")
    if mode not in modes:
        raise InputError(
            "mode of a decay line", mode, ", ".join(modes), did_you_mean(str(mode), modes) + "Choose a mode."
        )
    return _bnb(1 if mode == "neutrino" else -1, mode)


@cache
def _bnb(charge: int, mode: str) -> DecayLine:
    table = load_data("bnb_parents")
    step, end = GRID
    energy: Array = step * np.arange(round(end / step) + 1, dtype=np.float64)
    share, length = {}, {}
    for pdg in (14, -14, 12, -12):
        knots = table["shares"][str(charge * pdg)]
        rows = np.array([np.interp(energy, table["energy_GeV"], knots[str(parent)]) for parent in PARENTS])
        share[pdg] = rows / rows.sum(axis=0)
        ratios = ENERGY_RATIO[abs(pdg)]
        length[pdg] = np.array([decay_length(parent, ratios[parent], energy) for parent in PARENTS])
    source = table["source"]
    if charge < 0:
        source += " Antineutrino mode: the shares of the opposite charge in neutrino mode."
    return DecayLine("bnb", mode, *BNB_LINE_CM, energy, share, length, source)


def mean_interaction_depth(start: float, end: float, length: float) -> float:
    """Mean place of the first interaction in a target from `start` to `end`, if there is one. All in one unit."""
    thick = end - start
    return start + length - thick / float(np.expm1(thick / length))


# (start, end) in cm from the front face of the horn
BNB_LINE_CM = (mean_interaction_depth(3.4925, 74.6125, 38.15), 5031.0)
