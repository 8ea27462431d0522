"""Couplings of the Z' given directly in the card, against the same ones made from mixings, gD and epsilon."""

from typing import Any

import cards
import numpy as np
import pytest

from darkhorn.generator.processes.dark_neutrino import couplings
from darkhorn.generator.processes.dark_neutrino_model import host_widths, model_of, scheme_of, vertices_of
from darkhorn.generator.runcard import RunCard, load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.constants import ELECTRIC_CHARGE
from darkhorn.kernels.errors import InputError

E_EPSILON = ELECTRIC_CHARGE * 8e-4
D = 2.0 * 2e-10**0.5
MODEL = {"name": "dark-neutrino", "hnl": "dirac", "m4": "106 MeV", "mzprime": "30 MeV"}
GIVEN = {**MODEL, "vertices": {"d_mu4": -D, "e_V": -E_EPSILON, "p_V": E_EPSILON}}
DUAL = {"name": "dark-neutrino", "hnl": "dirac", "m4": "100 MeV", "m5": "200 MeV", "mzprime": "60 MeV"}


def checked(model: dict[str, Any], z_exchange: bool = False) -> RunCard:
    return load_card({**cards.PEER_BOX, "model": model, "physics": {"z_exchange": z_exchange}})


def test_the_same_couplings_given_directly_make_the_same_model() -> None:
    made = checked(cards.PEER_BOX["model"])
    given = checked(GIVEN)
    for card in (made, given):
        assert scheme_of(card).on_shell
    first, second = (host_widths(model_of(card), scheme_of(card)) for card in (made, given))
    for particle, channel in (("N4", "nu Zprime"), ("Zprime", "e+ e-")):
        assert float(second[particle][channel]) == pytest.approx(float(first[particle][channel]), rel=1e-12, abs=0.0)
    rows, others = (Simulation(card).cross_sections([0.5, 1.0]) for card in (made, given))
    np.testing.assert_allclose([row["xsec_cm2"] for row in others], [row["xsec_cm2"] for row in rows], rtol=1e-12)
    assert len(rows) == len(others) == 12


def test_vertices_replace_only_what_they_name() -> None:
    base = {**cards.PEER_BOX["model"], "umu4_sq": 2e-10}
    widths = host_widths(model_of(checked(base)), scheme_of(checked(base)))
    card = checked({**base, "vertices": {"e_V": 2 * E_EPSILON}})
    changed = host_widths(model_of(card), scheme_of(card))
    assert float(changed["Zprime"]["e+ e-"]) == pytest.approx(4 * float(widths["Zprime"]["e+ e-"]), rel=1e-12, abs=0.0)
    assert float(changed["N4"]["nu Zprime"]) == pytest.approx(float(widths["N4"]["nu Zprime"]), rel=1e-12, abs=0.0)


def test_two_states() -> None:
    given = checked({**DUAL, "vertices": {"d_mu5": 1e-4, "d_54": 0.5, "e_V": 1e-3, "p_V": 1e-3}})
    made = checked({**DUAL, "gD": 0.5, "umu5_sq": 4e-8, "epsilon": 1e-3})
    first, second = (host_widths(model_of(card), scheme_of(card))["N5"] for card in (made, given))
    for channel in ("N4 Zprime", "nu Zprime"):
        assert float(second[channel]) == pytest.approx(float(first[channel]), rel=1e-12, abs=0.0)


def test_a_nucleus_has_the_charges_of_its_protons_and_neutrons() -> None:
    card = checked({**MODEL, "vertices": {**GIVEN["vertices"], "p_V": 2e-4, "n_V": 3e-4}})  # type: ignore[dict-item]
    whole, nucleon = (vertices_of(couplings(card, model_of(card), "N4", nuclide("Ar40"), regime, 14))
                      for regime in ("coherent", "p-elastic"))  # fmt: skip
    assert float(whole.dark_hadron) == pytest.approx(18 * 2e-4 + 22 * 3e-4, rel=1e-13, abs=0.0)
    assert (float(nucleon.dark_hadron), float(nucleon.dark_other)) == pytest.approx((2e-4, 3e-4), rel=1e-13, abs=0.0)
    assert float(whole.dark_lepton) == pytest.approx(-D, rel=1e-13, abs=0.0)


def test_vertices_are_stored_in_the_resolved_card() -> None:
    card = checked(GIVEN)
    assert card.resolved()["model"]["vertices"]["d_mu4"] == -D
    assert load_card(card.resolved()).hash() == card.hash()


@pytest.mark.parametrize(
    ("model", "match"),
    [
        ({**MODEL, "vertices": {"d_mu4": 1e-4, "e_V": 1e-4}}, "epsilon"),
        ({**MODEL, "vertices": {"e_V": 1e-4, "p_V": 1e-4}}, "umu4_sq"),
        ({**MODEL, "vertices": {"d_mu5": 1e-4, "e_V": 1e-4, "p_V": 1e-4}}, "only with m5"),
        ({**DUAL, "vertices": {"d_mu5": 1e-4, "e_V": 1e-4, "p_V": 1e-4}}, "gD"),
        ({**GIVEN, "vertices": {"d_mu4": 1e-4, "e_V": 0.0, "p_V": 1e-4}}, "e_V"),
        ({**GIVEN, "vertices": {"d_mu4": 5.0, "e_V": 1.0, "p_V": 1e-4}}, "d_mu4"),
        ({**GIVEN, "vertices": {"d_mu": 1e-4}}, "d_mu4"),
    ],
)
def test_incomplete_vertices_are_refused(model: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        checked(model)


def test_neutron_charges_are_refused_where_hadrons_are_open() -> None:
    vertices = {"d_mu4": 1e-4, "e_V": 1e-4, "p_V": 1e-4, "n_V": 1e-4}
    with pytest.raises(InputError, match="n_V"):
        scheme_of(checked({**MODEL, "m4": "300 MeV", "mzprime": "200 MeV", "vertices": vertices}))
