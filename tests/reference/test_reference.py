"""The reference files are whole and agree with the second calculation each of them carries."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
COUNTS = {
    "dark_neutrino_xsec": 304,
    "dark_neutrino_widths": 14,
    "dark_neutrino_events": 9,
    "dark_neutrino_offshell": 3,
    "dark_neutrino_rates": 10,
    "dark_neutrino_heavy": 3,
    "dark_neutrino_dipole": 77,
    "chain": 27,
    "width": 90,
    "incoherent": 27,
    "soil": 12,
    "meson_production": 248,
    "horns": 41,
}


def load(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def as_list(value: Any) -> list[float]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", COUNTS)
def test_every_file_is_whole(name: str) -> None:
    data = load(name)
    identifiers = [entry["id"] for entry in data["entries"]]
    assert len(identifiers) == len(set(identifiers)) == COUNTS[name]
    assert data["provenance"]["what"]
    assert len(data["provenance"]["source_sha256"]) == 64
    assert {entry["point"] for entry in data["entries"] if "point" in entry} == set(data.get("models", {}))


@pytest.mark.parametrize("regime", ["coherent", "p-el"])
@pytest.mark.parametrize("helicity", ["conserving", "flipping"])
def test_cross_sections_agree_with_the_second_calculation(regime: str, helicity: str) -> None:
    tolerance = 1e-8 if helicity == "conserving" else 1e-5  # cancellation in the suppressed helicity
    every = load("dark_neutrino_xsec")["entries"] + load("dark_neutrino_dipole")["entries"]
    entries = [e for e in every if (e.get("regime"), e.get("helicity")) == (regime, helicity)]
    assert len(entries) == 95
    for entry in entries:
        for value, independent in zip(as_list(entry["value"]), as_list(entry["independent"]), strict=True):
            assert math.isclose(value, independent, rel_tol=tolerance), entry["id"]


def test_the_fermi_gas_agrees_with_its_monte_carlo() -> None:
    for entry in load("incoherent")["entries"]:
        second = entry["cross_check"]["second_mc"]
        assert abs(second["mean"] - entry["value_cm2_per_nucleon"]["sum"]) < 4 * second["err"], entry["id"]


def test_a_majorana_width_across_threshold_is_twice_the_dirac_one_for_a_massless_daughter() -> None:
    widths: dict[str, dict[str, float]] = {}
    for entry in load("width")["entries"]:
        inputs = dict(entry["inputs"])
        if inputs["m_j"] == 0.0:
            kind = inputs.pop("HNLtype")
            widths.setdefault(json.dumps(inputs, sort_keys=True), {})[kind] = entry["value_GeV"]
    assert widths
    for pair in widths.values():
        assert math.isclose(pair["majorana"], 2.0 * pair["dirac"], rel_tol=1e-8)


def histograms() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name in ("chain", "dark_neutrino_events", "dark_neutrino_offshell"):
        for entry in load(name)["entries"]:
            found += [(f"{entry['id']} {key}", h) for key, h in entry.get("histograms", {}).items()]
    return found


def test_histograms_are_probabilities_on_increasing_edges() -> None:
    assert len(histograms()) > 100
    for name, histogram in histograms():
        assert all(low < high for low, high in pairwise(histogram["edges"])), name
        assert len(histogram["edges"]) == len(histogram["content"]) + 1, name
        total = sum(histogram["content"]) + histogram.get("underflow", 0.0) + histogram.get("overflow", 0.0)
        assert math.isclose(total, 1.0, abs_tol=1e-3), name
