"""Materials: nuclides with mass fractions and a density. Host side only; nothing here imports JAX.

Elements of natural composition stand for their most abundant isotope (O16 99.8 %, C12 98.9 %, Si28 92.2 %, Ar40 99.6 %,
Fe56 91.8 %, K39 93.3 %, Ca40 96.9 %; F, Na, Al, Mn are pure). That puts the number of nuclei of an element off by at
most 0.5 %, by A_isotope/A_natural. Tungsten and lead, which have no dominant isotope, are split.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hepunits.constants import Avogadro

from darkhorn.geometry.nuclides import ATOMIC_MASS_UNIT, nuclide
from darkhorn.kernels.errors import InputError, did_you_mean

# Mass fractions of the isotopes by which an element of natural composition is represented. Abundances of W and Pb:
# J. Meija et al., Pure Appl. Chem. 88 (2016) 293, as mass fractions of the isotopes kept.
ELEMENTS: dict[str, dict[str, float]] = {
    "H": {"H1": 1.0},
    "C": {"C12": 1.0},
    "N": {"N14": 1.0},
    "O": {"O16": 1.0},
    "F": {"F19": 1.0},
    "Na": {"Na23": 1.0},
    "Mg": {"Mg24": 1.0},
    "Al": {"Al27": 1.0},
    "Si": {"Si28": 1.0},
    "P": {"P31": 1.0},
    "S": {"S32": 1.0},
    "Cl": {"Cl35": 1.0},
    "Ar": {"Ar40": 1.0},
    "K": {"K39": 1.0},
    "Ca": {"Ca40": 1.0},
    "Ti": {"Ti48": 1.0},
    "Cr": {"Cr52": 1.0},
    "Mn": {"Mn55": 1.0},
    "Fe": {"Fe56": 1.0},
    "Ni": {"Ni58": 1.0},
    "Cu": {"Cu63": 1.0},
    "W": {"W182": 0.2626, "W183": 0.1426, "W184": 0.3069, "W186": 0.2879},
    "Pb": {"Pb206": 0.2429, "Pb207": 0.2238, "Pb208": 0.5333},
}


@dataclass(frozen=True)
class Material:
    """A homogeneous material: density in g/cm3, mass fractions of nuclides (sum 1), and where the numbers come from."""

    name: str
    density: float
    composition: Mapping[str, float]
    source: str


def make_material(
    name: str, density: float, composition: Mapping[str, float], source: str = "user", where: str = "material"
) -> Material:
    """A material from mass fractions of nuclides ('Ar40') or elements ('O', see the module), renormalised to sum 1.

    Raises InputError, naming `where`, if the density is not positive, a fraction is negative, the sum is off 1 by more
    than 1e-3, or a constituent is unknown.
    """
    if not _is_positive(density):
        raise InputError(f"{where}.density", density, "a positive density in g/cm3", "Soil is about 2.25 g/cm3.")
    if not isinstance(composition, Mapping) or not composition:
        raise InputError(
            f"{where}.composition", composition, "mass fractions by nuclide or element", "For example {Ar40: 1.0}."
        )
    fractions: dict[str, float] = {}
    for constituent, fraction in composition.items():
        if not _is_positive(fraction):
            raise InputError(
                f"{where}.composition.{constituent}", fraction, "a positive mass fraction", "Leave out what is absent."
            )
        if str(constituent).isalpha() and constituent not in ELEMENTS:
            raise InputError(
                f"{where}.composition",
                constituent,
                f"a nuclide such as `Ar40`, or one of the elements {', '.join(ELEMENTS)}",
                did_you_mean(str(constituent), list(ELEMENTS)) + "Give the isotopes of other elements.",
            )
        for isotope, share in ELEMENTS.get(constituent, {constituent: 1.0}).items():
            key = nuclide(isotope, f"{where}.composition").name
            fractions[key] = fractions.get(key, 0.0) + share * fraction
    total = math.fsum(composition.values())
    if abs(total - 1) > 1e-3:
        raise InputError(
            f"{where}.composition", f"mass fractions that sum to {total:g}", "a sum of 1 (to 0.001)", "Rescale them."
        )
    norm = math.fsum(fractions.values())
    return Material(name, float(density), {key: value / norm for key, value in fractions.items()}, source)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _by_formula(atoms: Mapping[str, int]) -> dict[str, float]:
    """Mass fractions of a chemical formula, from the masses of the isotopes by which its elements are represented."""
    masses = {symbol: count * nuclide(next(iter(ELEMENTS[symbol]))).atomic_mass for symbol, count in atoms.items()}
    total = math.fsum(masses.values())
    return {symbol: mass / total for symbol, mass in masses.items()}


_SOIL = {"O": 0.438, "Si": 0.257, "Na": 0.222, "Al": 0.049, "Fe": 0.019, "K": 0.015}
_CONCRETE = {"O": 0.53, "Si": 0.335, "Ca": 0.06, "Na": 0.015, "Fe": 0.02, "Al": 0.04}

# name -> (density in g/cm3, mass fractions or chemical formula, source)
_SHIPPED: dict[str, tuple[float, Mapping[str, float] | Mapping[str, int], str]] = {
    "liquid-argon": (
        1.3954,
        {"Ar": 1.0},
        "NIST Chemistry WebBook, saturated liquid at 87.3 K; MicroBooNE's geometry file has 1.40, its e+e- search 1.38",
    ),
    "mineral-oil": (0.845, {"C": 1, "H": 2}, "MiniBooNE, NIM A 599 (2009) 28 (0806.4201): CH2, 0.845 +- 0.001"),
    "soil": (
        2.25,
        _SOIL,
        "composition 'Dirt' of the MicroBooNE geometry file v11 (its density there is 1.7); 2.25 g/cm3 is compacted "
        "soil and clay as in MicroBooNE's search for e+e- pairs. Values in use range from 1.7 to 2.3",
    ),
    "soil-sio2": (2.15, {"Si": 1, "O": 2}, "quartz, as in DarkNews (2207.04137)"),
    "concrete": (2.3, _CONCRETE, "MicroBooNE geometry file v11"),
    "steel": (7.86, {"Fe": 0.995, "C": 0.005}, "density: BNB beamline geometry; composition: carbon steel, PNNL-15870"),
    "iron": (7.874, {"Fe": 1.0}, "PDG Review, atomic and nuclear properties of materials"),
    "tungsten": (19.3, {"W": 1.0}, "PDG Review, atomic and nuclear properties of materials"),
    "lead": (11.35, {"Pb": 1.0}, "PDG Review, atomic and nuclear properties of materials"),
    "water": (1.0, {"H": 2, "O": 1}, "PDG Review, atomic and nuclear properties of materials"),
    "polystyrene": (1.06, {"C": 8, "H": 8}, "PDG Review, atomic and nuclear properties of materials"),
}


def shipped_materials() -> tuple[str, ...]:
    """Names that `material` knows."""
    return tuple(_SHIPPED)


def material(name: str, density: float | None = None, where: str = "material") -> Material:
    """A shipped material, with another density (g/cm3) if one is given. Raises InputError, naming `where`."""
    if name not in _SHIPPED:
        hint = did_you_mean(name, list(_SHIPPED)) if isinstance(name, str) else ""
        raise InputError(where, name, ", ".join(_SHIPPED), hint + "Or spell out density and composition.")
    shipped_density, composition, source = _SHIPPED[name]
    if any(isinstance(value, int) for value in composition.values()):
        composition = _by_formula({symbol: int(count) for symbol, count in composition.items()})
    if density is not None:
        source = f"density as given; {source}"
    return make_material(name, shipped_density if density is None else density, composition, source, where)


def number_density(what: Material) -> dict[str, float]:
    """{nuclide: nuclei per cm3} = density w_i N_A / (atomic mass in u).

    The ATOMIC mass counts nuclei per gram (a material is neutral); the nuclear mass belongs to kinematics.
    Accuracy: that of the density and the composition.
    """
    return {
        name: what.density * fraction * Avogadro * ATOMIC_MASS_UNIT / nuclide(name).atomic_mass
        for name, fraction in what.composition.items()
    }
