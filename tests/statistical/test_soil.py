"""Scattering in the soil, decay in the TPC: the backward chain against independent numbers and against forward
sampling.
"""

import json
from pathlib import Path
from typing import Any

import cards
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.device import as_float64, pilot
from darkhorn.generator.processes.dark_neutrino_chains import chain_of
from darkhorn.generator.processes.dark_neutrino_model import Scheme
from darkhorn.generator.processes.dark_neutrino_paths import Form
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.streams import channel_key

ENTRIES = json.loads((Path(__file__).parents[1] / "reference/soil.json").read_text())["entries"]
SCHEME, FORM = Scheme(("N4", "N5"), virtual_hadrons=False), Form((False,))


def box_card(entry: dict[str, Any]) -> dict[str, Any]:
    """The reference's box of soil upstream of the TPC box, the beam from one point 470 m away, the shipped nu_mu
    flux.
    """
    inputs = entry["inputs"]
    box = inputs["geometry_cm"]
    middle, length = (box["z1"] + box["z2"]) / 2, box["z2"] - box["z1"]
    return {
        "schema": 1,
        "source": {
            "kind": "histogram",
            "beam": "bnb",
            "mode": "neutrino",
            "flavours": ["nu_mu"],
            "decay_line": {"start": "0 m", "end": "0 m"},
            "spill": None,
        },
        "detector": {
            "base": "microboone",
            "name": "box",
            "volumes": {
                "tpc": {
                    "shape": "box",
                    "centre": ["0 cm"] * 3,
                    "size": ["256 cm", "232 cm", "1040 cm"],
                    "material": "liquid-argon",
                },
                "soil": {
                    "shape": "box",
                    "centre": ["0 cm", "0 cm", f"{middle} cm"],
                    "size": [f"{2 * box['hx']} cm", f"{2 * box['hy']} cm", f"{length} cm"],
                    "material": "sand",
                },
            },
            "materials": {"sand": {"density": f"{box['rho']} g/cm3", "composition": {"Si28": 28 / 60, "O16": 32 / 60}}},
            "frame": {"origin": ["0 cm", "0 cm", "47000 cm"]},
            "baseline": "47000 cm",
        },
        "regions": ["soil"],
        "decay_in": "tpc",
        "exposure": "1 POT",
        "model": {
            "name": "dark-neutrino",
            "hnl": "dirac",
            "m4": f"{inputs['m4']} GeV",
            "m5": f"{inputs['m5']} GeV",
            "mzprime": f"{inputs['mz']} GeV",
            "umu5_sq": inputs["U2"],
            "epsilon": inputs["eps"],
            "gD": inputs["gD"],
        },
        "physics": {"regimes": ["coherent"], "z_exchange": False},
    }


def rate(simulation: Simulation, chain: Chain, lifetime: float) -> tuple[float, float]:
    """Expected decays and their error, with the reference's lifetime and a branching ratio of 1."""

    def prepared(params: Params) -> Params:
        return {**chain.prepare(params), "ctau_n": params["ctau_fixed"]}

    bare = Chain(tuple(stage for stage in chain.stages if stage.name not in ("branching", "time", "names")), prepared)
    total = variance = 0.0
    for channel in simulation.build.channels:
        params = as_float64({**channel.params, "ctau_fixed": np.asarray(lifetime)})
        found = pilot(bare, params, jnp.asarray(channel_key(1, channel.name, "pilot")), 1 << 15)
        mean = float(found["mean"])
        total += mean
        variance += (float(found["square"]) - mean**2) / (6 * (1 << 15))
    return total, variance**0.5


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_backward_rate_agrees_with_the_reference(entry: dict[str, Any]) -> None:
    """Within 4 of the combined errors and 0.5 %: the shipped flux is a smooth curve through the published bins."""
    found, error = rate(
        cards.simulation({}, box_card(entry)), chain_of(SCHEME, FORM, "backward"), entry["inputs"]["ctau"]
    )
    wanted = entry["value_events_per_POT"]
    assert abs(found - wanted) < 4 * np.hypot(error, entry["error"]) + 5e-3 * wanted
    assert abs(1.05 * found - wanted) > 4 * np.hypot(error, entry["error"]) + 5e-3 * wanted  # 5 % would be seen


def test_forward_sampling_gives_the_same_rate() -> None:
    """The whole soil cannot be done forwards: a slab just upstream of the TPC, N4 that fly for metres."""
    card = box_card(ENTRIES[0])
    slab = {**card["detector"]["volumes"]["soil"], "centre": ["0 cm", "0 cm", "-900 cm"], "size": ["3 m", "3 m", "3 m"]}
    card["detector"]["volumes"]["soil"] = slab
    simulation = cards.simulation({}, card)
    backward = rate(simulation, chain_of(SCHEME, FORM, "backward"), 100.0)
    forward = rate(simulation, chain_of(SCHEME, FORM, "forced"), 100.0)
    assert forward[1] < 0.02 * forward[0]
    assert abs(backward[0] - forward[0]) < 4.9 * np.hypot(backward[1], forward[1])
