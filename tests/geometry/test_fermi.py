"""Parameters of the Fermi gas of nuclides."""

import pytest

from darkhorn.geometry.fermi import fermi_parameters
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.errors import InputError


@pytest.mark.parametrize(
    ("name", "proton", "neutron", "energy"),
    [
        ("C12", 0.221, 0.221, 0.025),  # Moniz et al.
        ("Ca40", 0.251, 0.251, 0.028),
        ("O16", 0.225, 0.225, 0.027),  # adopted by GENIE, as are the others
        ("Si28", 0.239, 0.239, 0.032),
        ("Ar40", 0.242, 0.259, 0.0295),
        ("Fe56", 0.251, 0.263, 0.036),
        ("Pb208", 0.245, 0.283, 0.044),
    ],
)
def test_parameters_are_those_in_use(name: str, proton: float, neutron: float, energy: float) -> None:
    found = fermi_parameters(nuclide(name))
    assert found.proton_momentum == pytest.approx(proton, abs=0.003)
    assert found.neutron_momentum == pytest.approx(neutron, abs=0.003)
    assert found.removal_energy == pytest.approx(energy, abs=0.0015)


def test_parameters_go_on_beyond_the_table() -> None:
    assert fermi_parameters(nuclide("U238")).removal_energy == 0.044


@pytest.mark.parametrize("name", ["H1", "H2", "He4"])
def test_the_lightest_nuclides_have_no_fermi_gas(name: str) -> None:
    with pytest.raises(InputError, match=f"physics.*{name}"):
        fermi_parameters(nuclide(name), "physics.response")
