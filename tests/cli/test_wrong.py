"""Wrong inputs: the documented exit status, one clear message, no traceback, nothing written."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

USAGE, INPUT, OUTPUT, INVALID = 2, 3, 4, 5
SMALL = ["--set", "physics.regimes=[coherent]", "--set", "source.flavours=[nu_mu]"]
SMALL += ["--set", "physics.helicities=[conserving]"]


def set_(text: str) -> list[str]:
    return ["rate", "microboone", "--set", text]


def energy(*texts: str) -> list[str]:
    return ["xsec", "microboone", *(part for text in texts for part in ("--energy", text))]


def generate(*more: Any) -> list[str]:
    return ["generate", "microboone", *SMALL, *more]


@pytest.fixture
def folder(tmp_path: Path, events: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files that are wrong in one way each."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(events, "good.h5")
    whole = events.read_bytes()
    (tmp_path / "short.h5").write_bytes(whole[: len(whole) // 2])
    with h5py.File("foreign.h5", "w") as file:
        file["data"] = [1, 2, 3]
    shutil.copy(events, "newer.h5")
    with h5py.File("newer.h5", "r+") as file:
        file.attrs["schema_version"] = "9.0.0"
    shutil.copy(events, "tampered.h5")
    with h5py.File("tampered.h5", "r+") as file:
        next(iter(file["events"].values()))["weight"][0] *= 2
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    (tmp_path / "tab.yaml").write_text("schema: 1\n\tsource: x\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "tag.yaml").write_text("schema: !!python/object/apply:os.system [ls]\n")
    (tmp_path / "three.dat").write_text("0.1 0.2 3 4 5 6 7 8 9\n0.2 0.3 4\n")
    (tmp_path / "unreadable.yaml").mkdir()
    (tmp_path / "no_plan.json").write_text("{}")
    plan = {"card_hash": "0" * 64, "seed": 1, "channels": []}
    (tmp_path / "changed_plan.json").write_text(json.dumps({**plan, "hash": "wrong"}))
    (tmp_path / "a_file").write_text("")
    (tmp_path / "existing.h5").write_text("keep me")
    return tmp_path


WRONG = {
    # the command line
    "no command": ([], USAGE, "Usage"),
    "unknown command": (["generat", "microboone"], USAGE, "Did you mean `generate`"),
    "unknown option": (["rate", "microboone", "--precison", "1"], USAGE, "--precision"),
    "no card": (["rate"], USAGE, "CARD"),
    "no events": (generate("-n", "0"), USAGE, "whole number from 1"),
    "events no number": (generate("-n", "x"), USAGE, "'x'"),
    "events negative": (generate("-n", "-5"), USAGE, "'-5'"),
    "events not whole": (generate("-n", "1.5"), USAGE, "'1.5'"),
    "events infinite": (generate("-n", "inf"), USAGE, "'inf'"),
    "events not a number": (generate("-n", "nan"), USAGE, "'nan'"),
    "seed negative": (generate("--seed", "-1"), USAGE, "-1"),
    "shard beyond the last": (generate("--shard", "7/7"), USAGE, "the last of 7 is 6/7"),
    "shard no fraction": (generate("--shard", "one"), USAGE, "i/n"),
    "pot and events": (generate("--pot", "1e20", "-n", "5"), USAGE, "exclude"),
    "pot with a wrong unit": (generate("--pot", "1e20 kg"), USAGE, "POT"),
    "resume and overwrite": (generate("--resume", "--overwrite"), USAGE, "exclude"),
    "precision 0": (["rate", "microboone", "--precision", "0"], USAGE, "--precision"),
    "precision no number": (["rate", "microboone", "--precision", "good"], USAGE, "'good'"),
    "unknown device": (["rate", "microboone", "--device", "tpu"], USAGE, "'tpu'"),
    "no energy": (["xsec", "microboone"], USAGE, "--energy"),
    "energy without unit": (energy("1"), USAGE, "Write `1 GeV`"),
    "energy in metres": (energy("1 m"), USAGE, "no unit of energy"),
    "energy negative": (energy("-1 GeV"), USAGE, "above 0"),
    "energy range upside down": (energy("3 GeV:1 GeV:10"), USAGE, "first < last"),
    "energy range without number": (energy("1 GeV:3 GeV"), USAGE, "range such as"),
    "unweight without output": (["unweight", "good.h5"], USAGE, "--output"),
    "merge without files": (["merge", "-o", "all.h5"], USAGE, "SHARD"),
    # the card
    "unknown card": (["rate", "microbone"], INPUT, "Did you mean `microboone`"),
    "card is a folder": (["rate", "unreadable.yaml"], INPUT, "a folder"),
    "empty card": (["rate", "empty.yaml"], INPUT, "empty"),
    "card is a list": (["rate", "list.yaml"], INPUT, "mapping"),
    "tab in a card": (["rate", "tab.yaml"], INPUT, "line 2"),
    "binary card": (["rate", "binary.yaml"], INPUT, "UTF-8"),
    "code in a card": (["rate", "tag.yaml"], INPUT, "never runs code"),
    "override without =": (set_("model.m4"), INPUT, "key=value"),
    "unit missing": (set_("model.m4=120"), INPUT, "Write `120 GeV`"),
    "wrong unit": (set_("model.m4=120 cm"), INPUT, "model.m4"),
    "unknown key": (set_("model.m7=120 MeV"), INPUT, "m4"),
    "unknown section": (set_("modle.m4=120 MeV"), INPUT, "model"),
    "closed decay of N4": (set_("model.m4=1 MeV"), INPUT, "closed decay N4"),
    "closed decay of Z'": (set_("model.mzprime=1 MeV"), INPUT, "2 m_e"),
    "m4 above the flux": (set_("model.m4=50 GeV"), INPUT, "model.m4"),
    "negative coupling": (set_("model.epsilon=-1e-3"), INPUT, "model.epsilon"),
    "coupling beyond perturbation": (set_("model.gD=20"), INPUT, "model.gD"),
    "no mixing": (set_("model.umu4_sq=0"), INPUT, "umu4_sq"),
    "neither Dirac nor Majorana": (set_("model.hnl=weyl"), INPUT, "dirac"),
    "unknown detector": (set_("detector=microbone"), INPUT, "microboone"),
    "unknown region": (set_("regions=[cave]"), INPUT, "tpc"),
    "unknown beam": (set_("source.beam=lbnf"), INPUT, "bnb"),
    "bare exposure": (set_("exposure=6e20"), INPUT, "POT"),
    "events in the card": (set_("generate.events=0"), INPUT, "generate.events"),
    "newer card": (set_("schema=2"), INPUT, "newer darkhorn"),
    "unknown nuclide": ([*energy("1 GeV"), "--target", "Xx99"], INPUT, "Xx99"),
    "flux not there": (set_("source={kind: histogram, file: nowhere.dat, content: per-bin, unit: cm^-2 POT^-1}"),
                       INPUT, "nowhere.dat"),
    "flux with wrong columns": (set_("source={kind: histogram, file: three.dat, content: per-bin, "
                                     "unit: cm^-2 POT^-1}"), INPUT, "three.dat"),
    "unknown shipped card": (["cards", "show", "nova"], INPUT, "microboone"),
    "cite nothing": (["cite", "nowhere"], INPUT, "no such file"),
    # event files
    "file not there": (["info", "nowhere.h5"], INPUT, "no such file"),
    "truncated file": (["info", "short.h5"], INPUT, "truncated"),
    "foreign HDF5": (["info", "foreign.h5"], INPUT, "darkhorn"),
    "newer file": (["info", "newer.h5"], INPUT, "upgrade"),
    "text named .h5": (["convert", "text.h5", "out.hepmc3"], INPUT, "not an HDF5 file"),
    "truncated card file": (["rate", "short.h5"], INPUT, "short.h5"),
    "unknown ending": (["convert", "good.h5", "out.xyz"], INPUT, ".hepmc3"),
    "convert standard input": (["convert", "-", "out.hepmc3"], INPUT, "standard stream"),
    "generate to standard output": (generate("-o", "-"), INPUT, "standard stream"),
    "generate to an unknown ending": (generate("-o", "out.xyz"), INPUT, ".hepmc3"),
    "resume of text": (generate("-o", "out.hepmc3", "--resume"), INPUT, "convert"),
    "nothing to resume": (generate("-o", "out.h5", "--resume"), INPUT, "no unfinished run"),
    "resume of a finished file": (generate("-o", "good.h5", "--resume"), INPUT, "finished"),
    "merge of one file twice": (["merge", "good.h5", "good.h5", "-o", "all.h5"], INPUT, "twice"),
    "unweight too many": (["unweight", "good.h5", "-o", "u.h5", "-n", "5000"], INPUT, "accepted"),
    "validate a file not there": (["validate", "nowhere.h5"], INPUT, "no such file"),
    "validate hepevt": (["validate", "x.hepevt"], INPUT, "HepMC3"),
    "no plan": (generate("--plan", "no_plan.json", "-o", "out.h5"), INPUT, "no plan"),
    "changed plan": (generate("--plan", "changed_plan.json", "-o", "out.h5"), INPUT, "changed"),
    "plan is a folder": (generate("--plan", "unreadable.yaml", "-o", "out.h5"), INPUT, "cannot be read"),
    # outputs
    "existing output": (generate("-o", "existing.h5"), OUTPUT, "--overwrite"),
    "existing output of convert": (["convert", "good.h5", "existing.h5"], OUTPUT, "--overwrite"),
    "existing output of unweight": (["unweight", "good.h5", "-o", "existing.h5"], OUTPUT, "--overwrite"),
    "folder not there": (generate("-o", "no/such/out.h5"), OUTPUT, "mkdir -p"),
    "folder is a file": (generate("-o", "a_file/out.h5"), OUTPUT, "not a folder"),
    "output is a folder": (["convert", "good.h5", "folder.h5"], OUTPUT, "a folder"),
    "plan below a file": (generate("--plan", "a_file/plan.json", "-o", "out.h5"), OUTPUT, "not a folder"),
    # validation
    "tampered weight": (["validate", "tampered.h5"], INVALID, "checks failed"),
    "validate a truncated file": (["validate", "short.h5"], INVALID, "checks failed"),
    "validate a foreign file": (["validate", "foreign.h5", "--json"], INVALID, "checks failed"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_has_its_exit_status_and_message(name: str, folder: Path, darkhorn: Callable[..., Any]) -> None:
    arguments, code, message = WRONG[name]
    if name == "output is a folder":
        (folder / "folder.h5").mkdir()
    before = sorted(os.listdir(folder))
    result = darkhorn(*arguments)
    assert result.code == code, result.err
    assert message in result.err
    assert "Traceback" not in result.err
    if arguments:
        assert "darkhorn: error: " in result.err
    if code in (INPUT, OUTPUT):
        assert "; allowed: " in result.err
    assert sorted(os.listdir(folder)) == before
    assert (folder / "existing.h5").read_text() == "keep me"


def test_all_problems_of_a_card_are_listed(darkhorn: Callable[..., Any]) -> None:
    result = darkhorn("rate", "microboone", "--set", "model.m4=1", "--set", "model.gD=-1", "--set", "decay_in=cave")
    assert result.code == INPUT
    assert "3 problems" in result.err or "2 problems" in result.err
    assert "model.m4" in result.err
    assert "model.gD" in result.err


def test_plan_of_another_card_or_seed(folder: Path, darkhorn: Callable[..., Any]) -> None:
    plan = folder / "plan.json"
    made = darkhorn(*generate("-n", "10", "--plan", plan, "-o", "one.h5"))
    assert made.code == 0, made.err
    other = darkhorn(*generate("--set", "model.gD=1", "--plan", plan, "-o", "two.h5"))
    assert (other.code, "another card" in other.err) == (INPUT, True)
    other = darkhorn(*generate("--seed", "2", "--plan", plan, "-o", "two.h5"))
    assert (other.code, "another seed" in other.err) == (INPUT, True)
    assert not (folder / "two.h5").exists()


def test_gpu_that_is_not_there(darkhorn: Callable[..., Any]) -> None:
    import jax

    if jax.default_backend() == "gpu":
        pytest.skip("there is a GPU")
    result = darkhorn("rate", "microboone", "--device", "gpu")
    assert result.code == INPUT
    assert "only cpu" in result.err


def test_a_failure_of_ours_asks_for_a_report(darkhorn: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise FloatingPointError("event 7 holds a number that is not finite")

    monkeypatch.setattr("darkhorn.generator.runcard.load_card", broken)
    result = darkhorn("rate", "microboone")
    assert result.code == 1
    assert "event 7" in result.err
    assert "report" in result.err
    assert "Traceback" not in result.err
    assert "Traceback" in darkhorn("-v", "rate", "microboone").err
    assert "Traceback" in darkhorn("rate", "microboone", "-v").err
