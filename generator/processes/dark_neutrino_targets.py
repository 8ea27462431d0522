"""What the neutrino scatters on: nuclei and nucleons as numbers for the chain. Host side.

Regimes: `coherent`, the nucleus as a whole; `p-elastic` and `n-elastic`, one nucleon. A nucleon of a nucleus is taken
from a Fermi gas, or is at rest and free with a response of the nucleus as a factor (`physics.incoherent` of the card).
A free proton (H1) is a nucleon at rest without a factor in any case.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from darkhorn.generator.card_physics import NuclearGas
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.fermi import FermiParameters, fermi_parameters
from darkhorn.geometry.nuclides import Nuclide, fourier_bessel_of, nuclide, with_density
from darkhorn.kernels.constants import (
    HBAR_C_FM,
    MAGNETIC_MOMENT_NEUTRON,
    MAGNETIC_MOMENT_PROTON,
    MASS_NEUTRON,
    MASS_PROTON,
)
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.form_factors import DIPOLE, GALSTER, KELLY
from darkhorn.kernels.matrix_elements import fermi_gas, upscattering
from darkhorn.kernels.matrix_elements.fermi_gas import CLOSURE, PAULI, FermiGas
from darkhorn.kernels.matrix_elements.upscattering import Target

PROCESS_ID = {"coherent": 750, "p-elastic": 751, "n-elastic": 752}
PARAMETRISATION = {"dipole": DIPOLE, "galster": GALSTER, "kelly": KELLY}
RESPONSE = {"closure": CLOSURE, "pauli": PAULI}
# What only steers the sampling of Q^2, GeV^2. Scale: nuclei, 6/<r^2> of argon; nucleons, that of the dipole. Floor: a
# neutron has no charge, so that its cross section is flat in Q^2 as far as blocking reaches, however light the Z'.
SCALE_NUCLEUS, SCALE_NUCLEON = 6 * (HBAR_C_FM / 3.4) ** 2, 0.4
FLOOR_NEUTRON = 0.03
# The same for a photon and a scalar on nucleons of a Fermi gas, where blocking flattens what falls as 1/Q^2
FLOOR_GAS = {"dipole": 0.02, "scalar": 0.005}

Motion = Literal["rest", "response", "gas"]


class Nucleon(NamedTuple):
    """A nucleon: name, PDG code, mass (GeV), charge (e), its magnetic moment and that of the other one (mu_N)."""

    name: str
    pdg: int
    mass: float
    charge: float
    magnetic_moment: float
    other_moment: float


NUCLEONS = {
    "p-elastic": Nucleon("p", 2212, MASS_PROTON, 1.0, MAGNETIC_MOMENT_PROTON, MAGNETIC_MOMENT_NEUTRON),
    "n-elastic": Nucleon("n", 2112, MASS_NEUTRON, 0.0, MAGNETIC_MOMENT_NEUTRON, MAGNETIC_MOMENT_PROTON),
}


def scatterers_in(what: Nuclide, regime: str) -> int:
    """Scatterers of a regime in one nucleus. A free proton is one nucleon, so that its scattering is p-elastic."""
    if regime == "coherent":
        return int(what.A > 1)
    return what.Z if regime == "p-elastic" else what.A - what.Z


def is_bound(what: Nuclide, regime: str) -> bool:
    """Whether the scatterer is a nucleon of a nucleus, which leaves a remnant."""
    return regime != "coherent" and what.A > 1


def motion_of(card: RunCard, what: Nuclide, regime: str) -> Motion:
    """How the scatterer is before the scattering: `rest`, at rest with a `response` of its nucleus, or in the `gas`."""
    if not is_bound(what, regime) or card.physics.incoherent == "free":
        return "rest"
    return "gas" if card.physics.incoherent == "fermi-gas" else "response"


def scatterer_mass(what: Nuclide, regime: str) -> float:
    """GeV."""
    return what.mass if regime == "coherent" else NUCLEONS[regime].mass


def density_of(card: RunCard, what: Nuclide) -> Nuclide:
    """The nuclide with the charge density that the card asks for."""
    kind = card.physics.form_factor
    return what if kind == "tabulated" or what.A == 1 else with_density(what, kind)


def series_terms(nuclides: Iterable[Nuclide]) -> int:
    """Fourier-Bessel terms that the longest of the series has: all share one shape."""
    return max([fourier_bessel_of(what)[1].size for what in nuclides if what.A > 1], default=1)


def scatterer(card: RunCard, what: Nuclide, regime: str, terms: int) -> Target:
    """The numbers of a nucleus (coherent) or of one of its nucleons; the series is the nucleus' in any case."""
    radius, coefficients = fourier_bessel_of(what, terms) if what.A > 1 else (1.0, np.pad([1.0], (0, terms - 1)))
    nucleon = NUCLEONS["p-elastic" if regime == "coherent" else regime]
    numbers = (
        scatterer_mass(what, regime),
        float(regime != "coherent"),
        radius,
        coefficients,
        nucleon.charge,
        nucleon.magnetic_moment,
        nucleon.other_moment,
        PARAMETRISATION[card.physics.nucleon_form_factors],
    )
    return Target(*(jnp.asarray(n, jnp.float64) for n in numbers))


def gas_of(card: RunCard, what: Nuclide) -> FermiParameters:
    """Fermi momenta and removal energy of a nuclide: the card's, else those of Moniz et al.

    InputError for a nuclide with A < 6 of which the card does not have all three.
    """
    given = card.physics.fermi_gas.get(what.name, NuclearGas.model_validate({}))
    chosen = [getattr(given, field) for field in FermiParameters._fields]
    if None not in chosen:
        return FermiParameters(*chosen)
    try:
        known = fermi_parameters(what)
    except InputError as error:
        raise InputError(
            "physics.incoherent",
            f"{card.physics.incoherent}, with {what.name} among the targets",
            error.allowed,
            f"Give its momenta and removal energy as physics.fermi_gas.{what.name}, or set `incoherent: closure`.",
        ) from None
    return FermiParameters(*(own if own is not None else k for own, k in zip(chosen, known, strict=True)))


def check_gases(card: RunCard, targets: Iterable[str]) -> None:
    """Raise InputError for Fermi-gas parameters of a nuclide that is no target."""
    names = list(dict.fromkeys(targets))
    for name in card.physics.fermi_gas:
        nuclide(name, f"physics.fermi_gas.{name}")
        if name not in names:
            raise InputError(
                f"physics.fermi_gas.{name}", name, f"nuclides of the regions: {', '.join(names)}", "Remove it."
            )


def nuclear_numbers(card: RunCard, what: Nuclide, regime: str) -> dict[str, Any]:
    """The part of a channel's parameters that its motion needs: `gas` and `nucleus_mass`, or `response` and
    `fermi_momentum`, or nothing.

    `helicity_frame` says in which frame the helicity of N is meant: 1 the centre of mass of neutrino and scatterer, 0
    the rest frame of the nucleus.
    """
    motion = motion_of(card, what, regime)
    numbers: dict[str, Any] = {"helicity_frame": np.asarray(float(motion != "gas"))}
    if motion == "rest":
        return numbers
    # without Pauli blocking no Fermi momentum is read, and light nuclei have none
    blocked = motion == "gas" or card.physics.incoherent == "pauli"
    gas = gas_of(card, what) if blocked else FermiParameters(1.0, 1.0, 0.0)
    momentum = gas.proton_momentum if regime == "p-elastic" else gas.neutron_momentum
    if motion == "gas":
        removal = np.asarray(gas.removal_energy)
        return {**numbers, "gas": FermiGas(np.asarray(momentum), removal), "nucleus_mass": np.asarray(what.mass)}  # type: ignore[arg-type]
    kind = RESPONSE[card.physics.incoherent]
    return {**numbers, "response": np.asarray(kind), "fermi_momentum": np.asarray(momentum)}


def least_energy(numbers: dict[str, Any], what: Nuclide, regime: str, m: Any) -> float:
    """Threshold of the neutrino energy, GeV, for the `nuclear_numbers` of a scatterer and N of mass m."""
    mass = jnp.asarray(scatterer_mass(what, regime))
    if "gas" in numbers:
        gas = FermiGas(*(jnp.asarray(number) for number in numbers["gas"]))
        return float(fermi_gas.threshold(m, mass, gas))
    return float(upscattering.threshold(m, mass))
