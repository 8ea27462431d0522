"""Fermi momenta and removal energies of nuclides. Host side only; nothing here imports JAX.

Source: E. J. Moniz et al., Phys. Rev. Lett. 26 (1971) 445 (quasi-elastic electron scattering; errors 5 MeV on the
momentum, 3 MeV on the energy). Sn and Ni are natural elements of mean mass number.
"""

from typing import NamedTuple

from darkhorn.geometry.nuclides import Nuclide
from darkhorn.kernels.errors import InputError

# mass number: (Fermi momentum of a symmetric nucleus, mean removal energy), MeV
_MONIZ = {
    6.0: (169.0, 17.0),
    12.0: (221.0, 25.0),
    24.0: (235.0, 32.0),
    40.0: (251.0, 28.0),
    58.7: (260.0, 36.0),
    89.0: (254.0, 39.0),
    118.7: (260.0, 42.0),
    181.0: (265.0, 42.0),
    208.0: (265.0, 44.0),
}
# Removal energies in use where linear interpolation in the mass number misses what is adopted for the nuclide, MeV:
# argon as in GENIE (C. Andreopoulos et al., Nucl. Instrum. Meth. A 614 (2010) 87, its default parameters)
_REMOVAL_ENERGY = {"Ar40": 29.5}
_LEAST_MASS_NUMBER = 6


class FermiParameters(NamedTuple):
    """Fermi momenta of protons and neutrons and the removal energy of either, GeV."""

    proton_momentum: float
    neutron_momentum: float
    removal_energy: float


def fermi_parameters(what: Nuclide, where: str = "nuclide") -> FermiParameters:
    """Parameters of the Fermi gas of a nuclide: p_F = p_0 (2Z/A)^(1/3) for protons, p_0 (2N/A)^(1/3) for neutrons.

    p_0 and the removal energy are interpolated linearly in A between the nuclides of Moniz et al., and kept constant
    beyond the ends. Accuracy: 5 MeV, 5 MeV (interpolated ones more, see the fit of argon: 28 against 29.5 MeV). Raises
    InputError, naming `where`, for A < 6, where there is no Fermi gas: such nuclei scatter as free nucleons.
    """
    if what.A < _LEAST_MASS_NUMBER:
        raise InputError(
            where,
            what.name,
            f"a nuclide with at least {_LEAST_MASS_NUMBER} nucleons for a Fermi gas",
            "Choose the response of free nucleons for it.",
        )
    momentum, energy = _interpolate(float(what.A))
    return FermiParameters(
        1e-3 * momentum * (2 * what.Z / what.A) ** (1 / 3),
        1e-3 * momentum * (2 * (what.A - what.Z) / what.A) ** (1 / 3),
        1e-3 * _REMOVAL_ENERGY.get(what.name, energy),
    )


def _interpolate(a: float) -> tuple[float, float]:
    numbers = list(_MONIZ)
    a = min(max(a, numbers[0]), numbers[-1])
    right = next(n for n in numbers if n >= a)
    left = max((n for n in numbers if n < right), default=right)
    t = (a - left) / (right - left) if right > left else 0.0
    (p_left, e_left), (p_right, e_right) = _MONIZ[left], _MONIZ[right]
    return p_left + t * (p_right - p_left), e_left + t * (e_right - e_left)
