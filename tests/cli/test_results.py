"""What the commands print and write is what the Python API gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import darkhorn as dh
from darkhorn.cli.messages import length, print_json, size, width, with_error
from darkhorn.cli.options import EnergiesType
from darkhorn.cli.rate import rows_of

SMALL = {
    "physics.regimes": ["coherent"],
    "physics.helicities": ["conserving"],
    "source.flavours": ["nu_mu"],
}
SET = [part for key, value in SMALL.items() for part in ("--set", f"{key}=[{value[0]}]")]


@pytest.fixture(scope="module")
def simulation(events: Path) -> dh.Simulation:
    return dh.Simulation.from_card("microboone", SMALL)


Columns = dict[str, dict[str, Any]]


def columns_of(path: Path) -> Columns:
    events = dh.read(path)
    return {name: {key: np.array(v) for key, v in columns.items()} for name, columns in events.topologies.items()}


def assert_same(one: Columns, two: Columns) -> None:
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].keys() == two[name].keys()
        for key in one[name]:
            assert one[name][key].tobytes() == two[name][key].tobytes(), key


def test_generate_writes_what_run_returns(events: Path, simulation: dh.Simulation) -> None:
    made = simulation.run(1000)
    stored = dh.read(events)
    assert_same(columns_of(events), {n: {k: np.asarray(v) for k, v in c.items()} for n, c in made.topologies.items()})
    assert stored.sum_w == pytest.approx(made.sum_w, rel=1e-14)
    assert stored.header.card_resolved == simulation.card.resolved()


def test_generate_json(tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    path = tmp_path / "a.h5"
    result = darkhorn("generate", "microboone", *SET, "-n", "1e3", "-o", path, "--json", "-q")
    assert (result.code, result.err) == (0, "")
    facts, events = json.loads(result.out), dh.read(path)
    assert facts["file"] == str(path)
    assert facts["events"] == len(events) == 1000
    assert facts["sum_w"] == pytest.approx(events.sum_w, rel=1e-12)
    # the error of the estimate, much smaller than that of a count of these events
    assert 0.0 < facts["sum_w_error"] < 0.5 * events.sum_w_error
    assert facts["ess"] == pytest.approx(events.ess, rel=1e-12)
    assert facts["max_weight"] == events["weight"].max()
    assert facts["pot"] == events.header.pot == 6.87e20
    assert facts["seed"] == 1


def test_notes_say_what_was_made(tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    result = darkhorn("generate", "microboone", *SET, "-n", "50", "--seed", "3", "-o", tmp_path / "a.h5")
    assert result.out == ""
    card_hash = dh.load_card("microboone", SMALL).hash()
    for text in (dh.__version__, "seed 3", card_hash[:12], "50 weighted events", "6.87e+20 POT", "1 channel",
                 "ESS/N", "largest weight", "a.h5"):  # fmt: skip
        assert text in result.err


def test_pot_sets_exposure_and_number(tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    path = tmp_path / "a.h5"
    assert darkhorn("generate", "microboone", *SET, "--pot", "2e20 POT", "-o", path).code == 0
    events = dh.read(path)
    expected = dh.Simulation.from_card("microboone", {**SMALL, "exposure": "2e20 POT"}).plan().rate
    assert events.header.pot == 2e20
    assert len(events) == round(expected) > 10
    assert events.sum_w == pytest.approx(expected, rel=0.1)


def test_unweighted(tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    path = tmp_path / "a.h5"
    result = darkhorn("generate", "microboone", *SET, "-n", "100", "--unweighted", "-o", path, "--json")
    weight = dh.read(path)["weight"]
    assert weight.max() / weight.min() < 1.5
    assert len(weight) == 100
    assert "overweight fraction" in result.err
    assert json.loads(result.out)["attempted"] >= 100


@pytest.mark.parametrize(
    "ending", ["hepmc3", pytest.param("hepmc3.gz", marks=pytest.mark.slow), "hepevt", "edep.hepevt"]
)
def test_text_formats_hold_the_same_events(
    ending: str, tmp_path: Path, events: Path, darkhorn: Callable[..., Any]
) -> None:
    direct, converted = tmp_path / f"direct.{ending}", tmp_path / f"converted.{ending}"
    assert darkhorn("generate", "microboone", *SET, "-n", "1000", "-o", direct).code == 0
    assert darkhorn("convert", events, converted).code == 0
    if ending.startswith("hepmc3"):
        assert_same(columns_of(direct), columns_of(converted))
        assert darkhorn("validate", direct).code == 0
    else:
        assert direct.read_bytes() == converted.read_bytes()
    text = direct.name, converted.name
    extra = [f"{name}.json" for name in text] if "hepevt" in ending else []
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*text, *extra])  # no temporary file is left


def test_files_of_antineutrinos_are_valid(tmp_path: Path, darkhorn: Callable[..., Any]) -> None:
    path = tmp_path / "a.hepmc3"
    arguments = ["--set", "source.flavours=[nu_mu_bar]", "--set", "physics.helicities=[conserving]", "-n", "20"]
    assert darkhorn("generate", "microboone", *arguments, "-o", path).code == 0
    result = darkhorn("validate", path)
    assert result.code == 0, result.out
    assert "FAILED" not in result.out


def test_shards_merge_to_the_whole_run(tmp_path: Path, events: Path, darkhorn: Callable[..., Any]) -> None:
    shards = [tmp_path / f"part{i}.h5" for i in range(3)]
    plan = tmp_path / "plan.json"
    for i, shard in enumerate(shards):
        arguments = ["-n", "1000", "--shard", f"{i}/3", "--plan", plan, "-o", shard]
        assert darkhorn("generate", "microboone", *SET, *arguments).code == 0
    assert darkhorn("merge", *shards, "-o", tmp_path / "all.h5").code == 0
    merged, whole = columns_of(tmp_path / "all.h5"), columns_of(events)
    assert_same(merged, whole)
    missing = darkhorn("merge", *shards[:2], "-o", tmp_path / "two.h5")
    assert (missing.code, "Missing: 2" in missing.err) == (3, True)


def test_an_event_file_is_a_card(tmp_path: Path, events: Path, darkhorn: Callable[..., Any]) -> None:
    assert darkhorn("generate", events, "-n", "1000", "-o", tmp_path / "again.h5").code == 0
    assert_same(columns_of(tmp_path / "again.h5"), columns_of(events))


def test_rate_json(simulation: dh.Simulation, darkhorn: Callable[..., Any]) -> None:
    found = json.loads(darkhorn("rate", "microboone", *SET, "--precision", "1e-2", "--json").out)
    assert found == simulation.rate(1e-2)
    assert {"events", "error", "ess", "channels"} <= found.keys()
    assert {"region", "target", "regime", "helicity", "events", "error"} <= found["channels"][0].keys()


def test_rate_text(simulation: dh.Simulation, darkhorn: Callable[..., Any]) -> None:
    result = darkhorn("rate", "microboone", *SET, "--precision", "1e-2")
    total = next(line for line in result.out.splitlines() if line.startswith("total"))
    assert float(total.split()[1]) == pytest.approx(simulation.rate(1e-2)["events"], rel=1e-3)


def test_rate_text_has_the_large_channels_first_and_adds_up_the_small() -> None:
    kind = {"region": "tpc", "regime": "coherent", "helicity": "conserving"}
    numbers = [("C12", 14, 0.03, 3e-4), ("Ar40", 14, 90.0, 0.1), ("H1", -14, 0.04, 4e-4), ("O16", -14, 9.93, 0.2)]
    channels = [
        {**kind, "target": target, "projectile_pdg": pdg, "events": events, "error": error}
        for target, pdg, events, error in numbers
    ]
    found = {"events": 100.0, "error": 0.3, "channels": [*channels, {**channels[0], "events": 0.0, "error": 0.0}]}
    first, second, rest = rows_of(found, every=False)
    assert [first[1], first[4], first[6]] == ["Ar40", "nu_mu", "90 %"]
    assert [second[1], second[4], second[6]] == ["O16", "nu_mu_bar", "9.93 %"]
    assert rest[0].startswith("2 more")
    assert rest[-1] == "0.07 %"
    assert rest[-2] == with_error(0.07, 5e-4)
    assert [row[1] for row in rows_of(found, every=True)] == ["Ar40", "O16", "H1", "C12", "C12"]


def test_xsec_json(simulation: dh.Simulation, darkhorn: Callable[..., Any]) -> None:
    arguments = ["--energy", "200 MeV", "--energy", "1 GeV:3 GeV:2", "--target", "Ar40", "--target", "C12"]
    found = json.loads(darkhorn("xsec", "microboone", *SET, *arguments, "--json").out)
    assert found == simulation.cross_sections([0.2, 1.0, 3.0], ["Ar40", "C12"])
    assert set(found[0]) == {"process", "target", "regime", "helicity", "energy_GeV", "xsec_cm2"}
    assert len(found) == 6


def test_widths_json_and_text(simulation: dh.Simulation, darkhorn: Callable[..., Any]) -> None:
    found = json.loads(darkhorn("widths", "microboone", *SET, "--json").out)
    assert found == simulation.widths()
    text = darkhorn("widths", "microboone", *SET).out
    ctau = next(row["ctau_cm"] for row in found if row["particle"] == "N4" and "ctau_cm" in row)
    assert length(ctau) in text


def test_info_json_is_the_header(events: Path, darkhorn: Callable[..., Any]) -> None:
    from darkhorn.generator.files.info import info

    found = json.loads(darkhorn("info", events, "--json").out)
    assert found == info(events)
    assert found["schema"] == "darkhorn-events"
    text = darkhorn("info", events).out
    assert "1000 weighted" in text
    assert "m4 0.106 GeV" in text
    assert "None" not in text  # couplings that are not set
    assert "weight" in darkhorn("info", events, "--columns").out


def test_validate_json(events: Path, darkhorn: Callable[..., Any]) -> None:
    from darkhorn.generator.files.validate import validate

    result = darkhorn("validate", events, "--json")
    assert (result.code, json.loads(result.out)) == (0, validate(events).to_json())


def test_unweight(tmp_path: Path, events: Path, darkhorn: Callable[..., Any]) -> None:
    result = darkhorn("unweight", events, "-o", tmp_path / "u.h5", "--seed", "4")
    weights = dh.read(tmp_path / "u.h5")["weight"]
    assert (weights == 1.0).all()
    assert f"{len(weights)} events of weight 1" in result.err
    assert darkhorn("unweight", events, "-o", tmp_path / "ten.h5", "-n", "10", "-q").err == ""
    assert len(dh.read(tmp_path / "ten.h5")) == 10


def test_cite_card_and_its_events_agree(events: Path, darkhorn: Callable[..., Any]) -> None:
    of_file, of_card = darkhorn("cite", events).out, darkhorn("cite", "microboone").out
    entries, more = (set(text.strip().split("\n\n")) for text in (of_file, of_card))
    assert entries <= more
    # the events are coherent, the card scatters on nucleons of a gas as well
    assert {entry.split("{")[1].split(",")[0] for entry in more - entries} == {
        "SmithMoniz:1972", "Moniz:1971", "Kelly:2004",
    }  # fmt: skip
    assert of_file.count("@") >= 4


def test_doctor(darkhorn: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    result = darkhorn("doctor", "--json")
    found = json.loads(result.out)
    assert (result.code, found["problems"]) == (0, [])
    assert found["darkhorn"] == dh.__version__
    assert "float64" in found["devices"]
    monkeypatch.setenv("DARKHORN_CACHE", "/dev/null/cache")
    assert "set DARKHORN_CACHE" in darkhorn("doctor").out


def test_doctor_tells_a_broken_jax(darkhorn: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ImportError("libcuda.so is missing")

    monkeypatch.setattr("darkhorn.cli.session.start", broken)
    result = darkhorn("doctor")
    assert result.code == 1
    assert "PROBLEM: jax does not start: ImportError: libcuda.so is missing" in result.out


def test_quantities_for_people() -> None:
    assert with_error(256.0422, 0.1096) == "256.04 ± 0.11"
    assert with_error(0.02248903, 6.4e-6) == "0.0224890 ± 0.0000064"
    assert with_error(1.5e7, 2e4) == "(1.5000 ± 0.0020)e+07"
    assert with_error(3.0, 0.0) == "3"
    assert length(0.0019085) == "19.09 um"
    assert length(float("inf")) == "stable"
    assert width(1.03e-11) == "0.0103 eV"
    assert size(1.3e6) == "1.3 MB"


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [1.0, float("inf")]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.0, None]}


def test_energy_ranges() -> None:
    convert = EnergiesType().convert
    assert convert("1 GeV:3 GeV:3", None, None) == [1.0, 2.0, 3.0]
    assert convert("100 MeV:10 GeV:3:log", None, None) == pytest.approx([0.1, 1.0, 10.0])
    assert convert("200 MeV", None, None) == [0.2]
