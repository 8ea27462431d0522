"""The sections of a card for mediators that are not a Z': what is refused, defaults, schema."""

from typing import Any

import cards
import numpy as np
import pytest

from darkhorn.generator.card_schema import card_schema, schema_markdown
from darkhorn.generator.processes.dark_neutrino_mediator_model import model_of, scheme_of
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
    "moment of N6 without m6": ({**DUAL_DIPOLE, "mu_tr_e6": "1e-6 GeV^-1"}, "only with m6"),
    "a state that nothing leads to": ({**DUAL_DIPOLE, "mu_tr_54": "0 GeV^-1"}, "no coupling of N4"),
    "a third state that nothing leads to": ({**DUAL_DIPOLE, "m6": "0.3 GeV"}, "mu_tr_65 or mu_tr_64 > 0"),
    "coupling to a third state that is not there": ({**DUAL_DIPOLE, "mu_tr_64": "1e-6 GeV^-1"}, "only with m6"),
    "a third state without a second": ({**DIPOLE, "m6": "0.3 GeV"}, "Call it m5"),
    "a third state that is too light": (
        {**DUAL_DIPOLE, "m6": "100 MeV", "mu_tr_65": "1e-6 GeV^-1"},
        "m6 > m5",
    ),
    "no room for a pair below the third state": ({**SCALAR, "m6": "150.5 MeV", "s_65": 1e-3}, "m6 - m5"),
    "N4 made, but too light for a pair": ({**SCALAR, "m4": "1 MeV", "s_mu4": 1e-4}, "m4 > 2 m_e"),
    "coupling between states without m5": ({**DIPOLE, "mu_tr_54": "1e-6 GeV^-1"}, "only with m5"),
    "states in the wrong order": ({**DUAL_DIPOLE, "m5": "50 MeV"}, "m5 > m4"),
    "h' too light": ({**SCALAR, "mhprime": "1 MeV"}, "2 m_e"),
    "no room for a pair": ({**SCALAR, "m5": "51 MeV"}, "m5 - m4"),
    "no coupling to electrons": ({**SCALAR, "vertices": {"e_S": 0.0}}, "vertices.e_S"),
    "no coupling to nucleons": ({**SCALAR, "theta": 0.0}, "vertices.p_S"),
    "unknown vertex": ({**SCALAR, "vertices": {"e_V": 1e-3}}, "e_S"),
    "third pair too heavy": ({**VIRTUAL, "m6": "900 MeV", "s_64": 1e-3}, "N6 -> N4"),
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


@pytest.mark.parametrize("switch", [{"line_shape": True}, {"zprime_polarisation": False}, {"zprime_flight": "never"}])
def test_switches_of_a_zprime_are_refused(switch: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="only with a Z'"):
        _ = Simulation(load_card(card_of(DIPOLE, physics=switch))).build


def test_couplings_of_three_states() -> None:
    """N4 beside N5, N5 that decays to neutrinos alone, every pair; heavy states may have no room for known hadrons
    where they do not couple.
    """
    both = checked({**DUAL_DIPOLE, "mu_tr_mu4": "2e-6 GeV^-1", "mu_tr_54": "0 GeV^-1"})
    np.testing.assert_array_equal(model_of(both)["beam"], [[0, 2e-6, 0], [0, 1e-6, 0]])
    assert not np.any(model_of(both)["between"])
    three = {**SCALAR, "m6": "800 MeV", "m5": "700 MeV", "s_mu5": 0.0, "s_mu4": 1e-4, "s_54": 0.0, "s_64": 0.0}
    with pytest.raises(InputError, match="no coupling of N5"):
        checked({**three, "s_mu6": 1e-4})
    far = checked({**SCALAR, "m6": "700 MeV", "s_65": 0.3, "s_64": 0.0, "mhprime": "1.25 GeV"})
    np.testing.assert_array_equal(model_of(far)["between"], [[0, 0, 0], [1e-4, 0, 0], [0, 0.3, 0]])
    assert scheme_of(far).virtual == scheme_of(far).transitions
    assert load_card(far.resolved()).hash() == far.hash()


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
    for section, key in (("DarkNeutrino", "mzprime"), ("DipoleNeutrino", "mu_tr_65"), ("ScalarNeutrino", "mhprime")):
        assert key in schema["$defs"][section]["properties"], section
    assert schema["$defs"]["DipoleNeutrino"]["properties"]["mediator"]["enum"] == ["dipole"]
    assert "mediator" in schema["$defs"]["DipoleNeutrino"]["required"]
    assert "| `mu_tr_mu4` | magnetic moment (GeV^-1, MeV^-1, TeV^-1, mu_B) |" in schema_markdown()
