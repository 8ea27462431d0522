"""From the card to numbers: what the stages are given."""

from pathlib import Path
from typing import Any

import cards
import numpy as np
import pytest

from darkhorn.generator.experiment import experiment
from darkhorn.generator.runcard import load_card
from darkhorn.kernels.errors import InputError


def test_microboone_has_its_place_flux_and_argon() -> None:
    exp = experiment(cards.simulation().card)
    assert set(exp.fluxes.fluxes) == set(exp.beam) == {14, -14, 12, -12}
    assert exp.pot == 6.87e20
    volume = float(exp.detector.volumes["tpc"].shape.volume())
    wanted = cards.nuclei(1.3954, 1.0, "Ar40", volume)
    assert exp.scatterers("tpc")["Ar40"] * 1e38 * volume == pytest.approx(wanted, rel=1e-6)
    line = exp.beam[14]
    np.testing.assert_allclose(line["origin"], [124.325, -0.93, -46336.35])
    assert np.linalg.norm(line["reference"] - line["origin"]) == pytest.approx(46854.75, rel=1e-12)
    assert {k: float(v) for k, v in exp.spill.items()} == {"buckets": 81.0, "spacing_ns": 18.936, "sigma_ns": 1.308}


def test_a_rotated_frame_turns_the_beam() -> None:
    rotation = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]  # the detector's y axis is the beam's z axis
    detector: dict[str, Any] = {
        **cards.PEER_BOX["detector"],
        "frame": {"origin": ["0 cm", "0 cm", "47000 cm"], "rotation": rotation},
    }
    line = experiment(cards.simulation({}, {**cards.PEER_BOX, "detector": detector}).card).beam[14]
    np.testing.assert_allclose(line["axes"][2], [0.0, 1.0, 0.0])
    np.testing.assert_allclose(line["origin"], [0.0, -47000.0, 0.0])
    np.testing.assert_allclose(line["reference"], [0.0, 0.0, 0.0], atol=1e-9)


def test_only_the_flavours_asked_for_take_part() -> None:
    exp = experiment(cards.simulation({"source.flavours": ["nu_e", "nu_mu_bar"]}).card)
    assert set(exp.fluxes.fluxes) == {12, -14}


def test_volumes_and_materials_of_the_card_are_numbers() -> None:
    oil = cards.simulation({"detector": {"base": "microboone", "volumes": {"tpc": {"material": "mineral-oil"}}}})
    assert set(experiment(oil.card).scatterers("tpc")) == {"C12", "H1"}
    shape: Any = experiment(cards.simulation({}, cards.PEER_BOX).card).detector.volumes["tpc"].shape
    np.testing.assert_allclose(2 * np.asarray(shape.half_size), [256.0, 232.0, 1040.0])


def test_a_detector_without_a_shipped_flux_needs_a_file() -> None:
    detector = {key: value for key, value in cards.PEER_BOX["detector"].items() if key != "base"}
    with pytest.raises(InputError, match="no shipped flux"):
        experiment(cards.simulation({}, {**cards.PEER_BOX, "detector": detector}).card)


def test_a_tube_holds_no_decays() -> None:
    with pytest.raises(InputError, match="a tube"):
        experiment(load_card("microboone", {"decay_in": "hall-wall"}))


def test_volumes_of_decay_share_no_space() -> None:
    with pytest.raises(InputError, match=r"decay_in: .*overlap"):
        experiment(load_card("microboone", {"decay_in": ["tpc", "cryostat"]}))


def test_the_concrete_of_the_hall_touches_neither_the_soil_nor_the_cryostat() -> None:
    card = load_card("microboone", {"regions": ["cryostat", "hall-wall", "hall-floor", "soil"]})
    found = experiment(card)
    tonnes = {n: v.material.density * float(v.shape.volume()) / 1e6 for n, v in found.detector.volumes.items()}
    assert 500 < tonnes["hall-wall"] < 700
    assert 350 < tonnes["hall-floor"] < 450


def test_tau_neutrinos_of_a_table_of_your_own(tmp_path: Path) -> None:
    """nu_tau are there by oscillation: born where nu_mu are. The same flux and mixing give the same rate."""
    path = tmp_path / "flux.csv"
    rows = [f"{0.2 * i:.1f},{0.2 * i + 0.2:.1f},{i + 1},{i + 1},{i + 1}" for i in range(8)]
    path.write_text("\n".join(["E_lo_GeV,E_hi_GeV,numu,nutau,nutaubar", *rows]) + "\n")
    own = {
        **cards.ONE_CHANNEL,
        "source.file": str(path),
        "source.content": "per-bin",
        "source.unit": "cm^-2 / 1e12 POT",
    }
    no_mixing = {"model.umu4_sq": 0.0, "model.utau4_sq": 2e-10}
    muon, tau, both = (
        cards.simulation({**own, **changes})
        for changes in (
            {},
            {**no_mixing, "source.flavours": ["nu_tau"]},
            {**no_mixing, "source.flavours": ["nu_mu", "nu_tau", "nu_tau_bar"]},
        )
    )
    assert {c.projectile_pdg for c in tau.build.channels} == {16}
    assert {c.projectile_pdg for c in both.build.channels} == {16, -16}
    wanted, found = muon.plan(1), tau.plan(1)
    error = np.hypot(found.channels[0].rate_error, wanted.channels[0].rate_error)
    assert abs(found.rate - wanted.rate) < 4.5 * error
    events = tau.run(500, seed=1)
    assert set(np.unique(events["nu_pdg"])) == {16}
    assert set(np.unique(events["nu_out_pdg"])) == {16}
