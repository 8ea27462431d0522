"""Cards of the nuclear response: which nuclides have a gas, its parameters, and what is refused."""

from typing import Any

import cards
import pytest

from darkhorn.geometry.fermi import fermi_parameters
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.errors import InputError


def test_hydrogen_stays_free_and_carbon_has_its_gas() -> None:
    plastic = {"plastic": {"density": "1.06 g/cm3", "composition": {"C12": 0.856, "H1": 0.144}}}
    volumes = {"tpc": {"shape": "unchanged", "material": "plastic"}}
    card = {**cards.PEER_BOX, "detector": {"base": "microboone", "volumes": volumes, "materials": plastic}}
    gas = {"C12": {"proton_momentum": "221 MeV", "removal_energy": "25 MeV"}}
    channels = {c.name: c for c in cards.simulation({"physics.fermi_gas": gas}, card).build.channels}
    free, bound = (channels[f"nu_mu/{name}/p-elastic/conserving/tpc"] for name in ("H1", "C12"))
    assert not any("nu_mu/H1/n-elastic" in name or "nu_mu/H1/coherent" in name for name in channels)
    assert "gas" not in free.params
    assert free.topology.name == "whole_target_zprime_ee"
    assert float(free.params["scatterers_per_cm3"]) > float(bound.params["scatterers_per_cm3"]) / 6
    assert free.chain == channels["nu_mu/C12/coherent/conserving/tpc"].chain  # no program of its own
    assert [float(x) for x in bound.params["gas"]] == [0.221, 0.025]
    neutron = channels["nu_mu/C12/n-elastic/conserving/tpc"]
    assert [float(x) for x in neutron.params["gas"]] == [fermi_parameters(nuclide("C12")).neutron_momentum, 0.025]
    assert neutron.process_id == 752


HELIUM = {
    "detector": {
        "base": "microboone",
        "volumes": {"tpc": {"shape": "unchanged", "material": "helium"}},
        "materials": {"helium": {"density": "0.125 g/cm3", "composition": {"He4": 1.0}}},
    }
}


@pytest.mark.parametrize(
    ("overrides", "card", "match"),
    [
        ({"physics.incoherent": "rfg"}, {}, "fermi-gas, closure, pauli, free"),
        ({"physics.nucleon_form_factors": "kely"}, {}, "kelly"),
        ({"physics.regimes": ["neutron"]}, {}, "n-elastic"),
        ({"physics.incoherent": "free", "physics.fermi_gas": {"Ar40": {"removal_energy": "30 MeV"}}}, {}, "incoherent"),
        ({"physics.fermi_gas": {"Xx40": {"removal_energy": "30 MeV"}}}, {}, "AME2020"),
        ({"physics.fermi_gas": {"C12": {"removal_energy": "25 MeV"}}}, {}, "nuclides of the regions: Ar40"),
        ({"physics.fermi_gas": {"Ar40": {"removal_energy": "3 GeV"}}}, {}, "<= 0.2 GeV"),
        ({"physics.fermi_gas": {"Ar40": {"proton_momentum": "0 MeV"}}}, {}, "> 0 GeV"),
        ({"physics.fermi_gas": {"Ar40": {"proton_momentum": 0.24}}}, {}, "unit"),
        ({"physics.fermi_gas": {"Ar40": {"momentum": "242 MeV"}}}, {}, "proton_momentum"),
        ({}, HELIUM, "physics.fermi_gas.He4"),
    ],
)
def test_cards_that_make_no_sense_are_refused(overrides: dict[str, Any], card: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        _ = cards.simulation(overrides, {**cards.PEER_BOX, **card}).build


def test_a_light_nuclide_needs_its_parameters_or_another_response() -> None:
    whole = {"proton_momentum": "150 MeV", "neutron_momentum": "150 MeV", "removal_energy": "20 MeV"}
    card = {**cards.PEER_BOX, **HELIUM}
    for overrides in ({"physics.fermi_gas": {"He4": whole}}, {"physics.incoherent": "closure"}):
        assert len(cards.simulation(overrides, card).build.channels) == 6
