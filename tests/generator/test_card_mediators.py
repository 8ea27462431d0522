"""The sections of a card for mediators that are not a Z': what is refused, defaults, schema."""

from typing import Any

import cards
import pytest

from darkhorn.generator.card_schema import card_schema, schema_markdown
from darkhorn.generator.processes.dark_neutrino_mediator_model import model_of
from darkhorn.generator.runcard import RunCard, load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.kernels.errors import InputError

NAME = {"name": "dark-neutrino", "hnl": "dirac"}
DIPOLE = {**NAME, "mediator": "dipole", "m4": "150 MeV", "mu_tr_mu4": "1e-6 GeV^-1"}
DUAL_DIPOLE = {
    **NAME, "mediator": "dipole", "m4": "50 MeV", "m5": "150 MeV", "mu_tr_mu5": "1e-6 GeV^-1",
    "mu_tr_54": "1e-3 GeV^-1",
}  # fmt: skip
SCALAR = {
    **NAME, "mediator": "scalar", "m4": "50 MeV", "m5": "150 MeV", "mhprime": "40 MeV", "s_mu5": 1e-4, "s_54": 1e-4,
    "theta": 1e-3, "vertices": {"e_S": 1e-3},
}  # fmt: skip
VIRTUAL = {**SCALAR, "mhprime": "1.25 GeV", "s_54": 3.0}


def card_of(model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**cards.PEER_BOX, "model": model, "generate": {"events": 1000, "seed": 5}, **changes}


def checked(model: dict[str, Any]) -> RunCard:
    return load_card(card_of(model))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown mediator": ({**DIPOLE, "mediator": "photon"}, "vector, dipole, scalar"),
    "key of the vector": ({**DIPOLE, "mzprime": "30 MeV"}, "belongs to `mediator: vector`"),
    "key of the scalar": ({**DIPOLE, "mhprime": "30 MeV"}, "belongs to `mediator: scalar`"),
    "key of the dipole": ({**SCALAR, "mu_tr_mu4": "1e-6 GeV^-1"}, "belongs to `mediator: dipole`"),
    "dipole in a vector": ({**cards.PEER_BOX["model"], "mu_tr_mu4": "1e-6 GeV^-1"}, "belongs to `mediator: dipole`"),
    "no unit": ({**DIPOLE, "mu_tr_mu4": 1e-6}, "GeV^-1"),
    "wrong unit": ({**DIPOLE, "mu_tr_mu4": "1e-6 GeV"}, "GeV^-1, MeV^-1, TeV^-1, mu_B"),
    "negative moment": ({**DIPOLE, "mu_tr_mu4": "-1e-6 GeV^-1"}, ">= 0"),
    "no moment": ({**NAME, "mediator": "dipole", "m4": "150 MeV"}, "mu_tr_mu4: 1e-6 GeV"),
    "moment of N5 without m5": ({**DIPOLE, "mu_tr_mu5": "1e-6 GeV^-1"}, "only with m5"),
    "moment of N4 with m5": ({**DUAL_DIPOLE, "mu_tr_mu4": "1e-6 GeV^-1"}, "only couplings of N5"),
    "no moment between the states": ({**DUAL_DIPOLE, "mu_tr_54": "0 GeV^-1"}, "mu_tr_54"),
    "coupling between states without m5": ({**DIPOLE, "mu_tr_54": "1e-6 GeV^-1"}, "only with m5"),
    "states in the wrong order": ({**DUAL_DIPOLE, "m5": "50 MeV"}, "m5 > m4"),
    "h' too light": ({**SCALAR, "mhprime": "1 MeV"}, "2 m_e"),
    "no room for a pair": ({**SCALAR, "m5": "51 MeV"}, "m5 - m4"),
    "no coupling to electrons": ({**SCALAR, "vertices": {"e_S": 0.0}}, "vertices.e_S"),
    "no coupling to nucleons": ({**SCALAR, "theta": 0.0}, "vertices.p_S"),
    "unknown vertex": ({**SCALAR, "vertices": {"e_V": 1e-3}}, "e_S"),
    "beyond known hadrons": ({**SCALAR, "m5": "900 MeV", "mhprime": "700 MeV"}, "not known"),
    "virtual pair too heavy": ({**VIRTUAL, "m5": "900 MeV"}, "not known"),
    "flavour that the beam does not have": (
        {**NAME, **DIPOLE, "mu_tr_mu4": "0 GeV^-1", "mu_tr_tau4": "1 GeV^-1"},
        "tau",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_cards_are_told_why(name: str) -> None:
    model, text = WRONG[name]
    with pytest.raises(InputError) as error:
        _ = Simulation(checked(model)).build
    assert text in str(error.value)


def test_visible_state_follows_the_mediator() -> None:
    assert checked(DIPOLE).generate.visible == "gamma"
    assert checked(SCALAR).generate.visible == "e+e-"
    with pytest.raises(InputError, match="gamma"):
        load_card(card_of(SCALAR), {"generate.visible": "gamma"})
    with pytest.raises(InputError, match="to which N4 cannot decay"):
        _ = cards.simulation({}, card_of(DIPOLE, generate={"visible": "mu+mu-"})).build
    card = checked(SCALAR)
    assert load_card(card.resolved()).hash() == card.hash()
    assert float(model_of(card)["vertices"]["e_S"]) == 1e-3


def test_schema_and_reference_have_a_section_per_mediator() -> None:
    schema = card_schema()
    for section, key in (("DarkNeutrino", "mzprime"), ("DipoleNeutrino", "mu_tr_54"), ("ScalarNeutrino", "mhprime")):
        assert key in schema["$defs"][section]["properties"], section
    assert schema["$defs"]["DipoleNeutrino"]["properties"]["mediator"]["enum"] == ["dipole"]
    assert "mediator" in schema["$defs"]["DipoleNeutrino"]["required"]
    assert "| `mu_tr_mu4` | magnetic moment (GeV^-1, MeV^-1, TeV^-1, mu_B) |" in schema_markdown()
