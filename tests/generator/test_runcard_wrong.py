"""Wrong cards: each is refused with InputError at the right place, with a message that helps."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from darkhorn.generator.runcard import CardErrors, load_card, parse_card, show_card
from darkhorn.kernels.errors import InputError

GOOD = show_card("microboone")
OWN: dict[str, Any] = {
    "name": "mine",
    "volumes": {"tpc": {"shape": "box", "centre": ["0 m"] * 3, "size": ["1 m"] * 3, "material": "argon"}},
    "materials": {"argon": {"density": "1.4 g/cm3", "composition": {"Ar40": 1.0}}},
    "frame": {"origin": ["0 m", "0 m", "470 m"]},
    "baseline": "470 m",
}


def changed(section: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of a section with some keys changed; None removes a key."""
    return {key: value for key, value in {**section, **changes}.items() if value is not None}


TPC = OWN["volumes"]["tpc"]

# (changes of the good card in dotted form, place of the problem, a word of the message)
WRONG: list[tuple[dict[str, Any], str, str]] = [
    # units
    ({"model.m4": 106}, "model.m4", "bare number"),
    ({"model.m4": "106"}, "model.m4", "106 GeV"),
    ({"model.m4": "106 MEV"}, "model.m4", "`MeV`"),
    ({"model.m4": "106 cm"}, "model.m4", "energy"),
    ({"model.m4": "-106 MeV"}, "model.m4", "> 0 GeV"),
    ({"model.m4": "1e400 GeV"}, "model.m4", "too large"),
    ({"model.m4": True}, "model.m4", "found true"),
    ({"model.m4": ["106 MeV"]}, "model.m4", "unit of energy"),
    ({"model.m4": "1" * 10**5}, "model.m4", "Shorten"),
    ({"model.m4": 16**5000}, "model.m4", "very long number"),
    ({"model.epsilon": 16**5000}, "model.epsilon", "very long number"),
    ({"generate.events": 16**5000}, "generate.events", "very long number"),
    ({"schema": 16**5000}, "schema", "upgrade"),
    ({"exposure": 6.87e20}, "exposure", "POT"),
    ({"exposure": "0 POT"}, "exposure", "> 0 POT"),
    # numbers
    ({"model.epsilon": "8e-4"}, "model.epsilon", "remove the quotes"),
    ({"model.epsilon": "8e-4 GeV"}, "model.epsilon", "without a unit"),
    ({"model.epsilon": 0}, "model.epsilon", "> 0"),
    ({"model.epsilon": -1e-3}, "model.epsilon", "> 0"),
    ({"model.epsilon": float("nan")}, "model.epsilon", "finite"),
    ({"model.epsilon": 10**400}, "model.epsilon", "finite"),
    ({"model.epsilon": True}, "model.epsilon", "found true"),
    ({"model.epsilon": None}, "model.epsilon", "nothing"),
    ({"model.gD": 100}, "model.gD", "12.56"),
    ({"model.gD": [2]}, "model.gD", "one number"),
    # model
    ({"model.umu4_sq": 1.5}, "model.umu4_sq", "<= 1"),
    ({"model.umu4_sq": -1e-10}, "model.umu4_sq", ">= 0"),
    ({"model.umu4_sq": 0}, "model.umu4_sq", "no mixing"),
    ({"model.umu4_sq": 0.6, "model.ue4_sq": 0.6}, "model.umu4_sq", "add up to 1.2"),
    ({"model.umu4_sq": 1e-10, "model.umu4": 1e-5}, "model.umu4", "Remove all but one"),
    ({"model.gD": 1.0, "model.alphaD": 0.25}, "model.alphaD", "Remove all but one"),
    ({"model.m4": "1 MeV"}, "model.m4", "closed decay N4"),
    ({"model.m5": "200 MeV", "model.umu4_sq": 0}, "model.umu5_sq", "no mixing"),
    ({"model.m6": "300 MeV"}, "model.m6", "only with m5"),
    ({"model.m5": "300 MeV", "model.m6": "200 MeV"}, "model.m6", "closed decay N6"),
    ({"model.umu6_sq": 1e-10}, "model.umu6_sq", "only with m6"),
    ({"model.ud4": 0}, "model.ud4", "> 0"),
    ({"model.ud4": 1.5}, "model.ud4", "<= 1"),
    ({"model.shared_flavour": 1}, "model.shared_flavour", "true or false"),
    ({"model.umu5_sq": 1e-10}, "model.umu5_sq", "only with m5"),
    ({"model.m5": "106.5 MeV", "model.umu4_sq": 0, "model.umu5_sq": 1e-10}, "model.m5", "closed decay N5"),
    ({"model.m5": 200, "model.umu4_sq": 0, "model.umu5_sq": 1e-10}, "model.m5", "bare number"),
    ({"model.mzprime": "1 MeV"}, "model.mzprime", "2 m_e"),
    ({"model.hnl": "Dirac"}, "model.hnl", "Did you mean `dirac`"),
    ({"model.name": "dark-nutrino"}, "model.name", "Did you mean `dark-neutrino`"),
    ({"model.name": 3}, "model.name", "dark-neutrino"),
    ({"model": {}}, "model.name", "Add `name: dark-neutrino`"),
    ({"model": "dark-neutrino"}, "model", "section with the key `name`"),
    ({"model.m7": "1 GeV"}, "model.m7", "Did you mean `m"),
    ({"modle.m4": "1 GeV"}, "modle", "Did you mean `model`"),
    ({"m4": "1 GeV"}, "m4", "Did you mean `model.m4`"),
    # source
    ({"source.kind": "histgram"}, "source.kind", "Did you mean `histogram`"),
    ({"source.beam": "numi"}, "source.beam", "bnb"),
    ({"source.beam": None}, "source.beam", "no `file`"),
    ({"source.mode": "fhc"}, "source.mode", "antineutrino"),
    ({"source.flavours": ["nu_mu", "nu_mue"]}, "source.flavours[1]", "Did you mean `nu_mu`"),
    ({"source.flavours": ["nu_e", "nu_e"]}, "source.flavours", "twice"),
    ({"source.flavours": []}, "source.flavours", "at least one"),
    ({"source.file": "flux.dat", "source.unit": "cm^-2 POT^-1"}, "source.content", "per-bin"),
    ({"source.file": "flux.dat", "source.content": "per-bin", "source.unit": "m^-2"}, "source.unit", "POT^-1"),
    ({"source.content": "per-bin"}, "source.content", "`file`"),
    ({"source.decay_line": {"start": "50 m", "end": "0 m"}}, "source.decay_line.end", "Exchange"),
    ({"source.decay_line": {"start": "0 m"}}, "source.decay_line.end", "z of its end"),
    ({"source.spill.sigma": "-1 ns"}, "source.spill.sigma", ">= 0"),
    ({"source.spill": {"buckets": 0, "spacing": "1 ns", "sigma": "0 ns"}}, "source.spill.buckets", "from 1"),
    # detector
    ({"detector": 3}, "detector", "section with the keys"),
    ({"detector": "micro boone"}, "detector.name", "a letter"),
    ({"detector": changed(OWN, frame=None)}, "detector.frame", "`base`"),
    ({"detector": changed(OWN, name=None)}, "detector.name", "`base`"),
    ({"detector": changed(OWN, baseline="0 m")}, "detector.baseline", "> 0 cm"),
    ({"detector": changed(OWN, volumes={"tpc": changed(TPC, shape="bux")})}, "detector.volumes.tpc.shape", "`box`"),
    ({"detector": changed(OWN, volumes={"tpc": changed(TPC, shape=None)})}, "detector.volumes.tpc.shape", "Add `shape"),
    ({"detector": changed(OWN, volumes={"tpc": {"material": "argon"}})}, "detector.volumes.tpc.shape", "no `base`"),
    ({"detector": changed(OWN, volumes={"tpc": changed(TPC, size=["1 m"])})}, "detector.volumes.tpc.size", "1 entries"),
    ({"detector": changed(OWN, volumes={"tpc": changed(TPC, radius="1 m")})}, "detector.volumes.tpc.radius", "unknown"),
    (
        {"detector": changed(OWN, volumes={"tpc": changed(TPC, centre=["1 m", 2, "1 m"])})},
        "detector.volumes.tpc.centre[1]",
        "bare number 2",
    ),
    (
        {"detector": changed(OWN, materials={"argon": {"density": "1 g/cm3", "composition": {"Ar40": 0.9}}})},
        "detector.materials.argon.composition",
        "add up to 0.9",
    ),
    (
        {"detector": changed(OWN, materials={"argon": {"density": "1 g/cm3", "composition": {"argon": 1.0}}})},
        "detector.materials.argon.composition.argon",
        "for example Ar40",
    ),
    (
        {"detector": changed(OWN, frame={"origin": ["0 m"] * 3, "rotation": [[1, 0, 0], [0, 1, 0], [0, 0.1, 1]]})},
        "detector.frame.rotation",
        "orthogonal",
    ),
    (
        {"detector": changed(OWN, frame={"origin": ["0 m"] * 3, "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]})},
        "detector.frame.rotation",
        "determinant",
    ),
    ({"detector": OWN, "regions": ["tcp"]}, "regions[0]", "Did you mean `tpc`"),
    ({"detector": OWN, "decay_in": "hall"}, "decay_in", "tpc"),
    # regions, switches, counts
    ({"regions": "tpc"}, "regions", "brackets"),
    ({"regions": ["tpc", "tpc"]}, "regions", "twice"),
    ({"regions": []}, "regions", "at least one"),
    ({"regions": [3]}, "regions[0]", "a letter"),
    ({"decay_in": ["tpc", 3]}, "decay_in", "a letter"),
    ({"decay_in": []}, "decay_in", "Name at least one"),
    ({"decay_in": ["tpc", "tpc"]}, "decay_in", "each name once"),
    ({"decay_in": ["tpc", "cryostat"], "force_decay": False}, "decay_in", "one volume"),
    ({"force_decay": "yes"}, "force_decay", "true or false"),
    ({"physics.z_exchange": 1}, "physics.z_exchange", "true or false"),
    ({"physics.regimes": ["coherant"]}, "physics.regimes[0]", "Did you mean `coherent`"),
    ({"physics.form_factor": "fermi"}, "physics.form_factor", "symmetrised-fermi"),
    ({"generate.events": "many"}, "generate.events", "whole number"),
    ({"generate.events": 0}, "generate.events", "from 1"),
    ({"generate.events": 2**48 + 1}, "generate.events", "281474976710656"),
    ({"generate.events": 1.5}, "generate.events", "whole number"),
    ({"generate.events": float("inf")}, "generate.events", "whole number"),
    ({"generate.events": True}, "generate.events", "found true"),
    ({"generate.seed": -1}, "generate.seed", "from 0"),
    ({"generate.seed": 2**63}, "generate.seed", "9223372036854775807"),
    ({"generate.visible": "tau+tau-"}, "generate.visible", "mu+mu-"),
    ({"generate.visible": []}, "generate.visible", "at least one"),
    ({"generate.visible": ["e+e-", "e+e-"]}, "generate.visible", "twice"),
    ({"generate.visible": ["e+e-", "pi+pi-"]}, "generate.visible", "mu+mu-"),
    ({"generate.visible": ["e+e-", 3]}, "generate.visible", "final state"),
    ({"output.pdg_map.N4": 11}, "output.pdg_map.N4", "5914"),
    ({"output.pdg_map.N4": 5921}, "output.pdg_map.N4", "Zprime"),
    ({"output.pdg_map.N9": 5914}, "output.pdg_map.N9", "Did you mean `N6` or `N5`"),
    # schema
    ({"schema": 2}, "schema", "upgrade"),
    ({"schema": True}, "schema", "schema: 1"),
    ({"schema": "1"}, "schema", "schema: 1"),
    ({"exposure.x": 1}, "exposure.x", "as a whole"),
]


@pytest.mark.parametrize(
    ("changes", "where", "key_word"), WRONG, ids=[f"{where}: {key_word}" for _, where, key_word in WRONG]
)
def test_wrong_card_is_refused_at_its_place(changes: dict[str, Any], where: str, key_word: str) -> None:
    with pytest.raises(InputError) as caught:
        load_card("microboone", changes)
    problems = caught.value.problems if isinstance(caught.value, CardErrors) else (caught.value,)
    here = [str(problem) for problem in problems if problem.where == where]
    assert here, f"no problem at {where} in: {caught.value}"
    assert any(key_word in message for message in here), here
    assert len(here[0]) < 600
    assert all(line.isprintable() for line in str(caught.value).splitlines())


# (text of the card, a word of `where`, a word of the message)
TEXTS = [
    ("", "my.yaml", "empty card"),
    ("# only a comment\n", "my.yaml", "empty card"),
    ("just words", "my.yaml", "mapping"),
    ("[1, 2]", "my.yaml", "mapping"),
    ("schema: 1\nsource: {kind: histogram\n", "line 3", "brackets"),
    ("schema: 1\nsource:\n\tkind: histogram\n", "line 3, column 1", "spaces"),
    (GOOD + "\nexposure: 1 POT\n", f"line {GOOD.count(chr(10)) + 2}", 'duplicate key "exposure"'),
    ("schema: !!python/object/apply:os.system [id]", "line 1, column 9", "never runs code"),
    ("schema: !mine 1", "line 1", "Remove the tag"),
    ("schema: 1\n---\nschema: 1\n", "line 2", "one card per file"),
    ("schema: *nowhere", "line 1", "undefined alias"),
    ("schema: 1\nsource: kind: histogram", "line 2", "one `key: value` per line"),
    ("[" * 5000, "my.yaml", "nested too deeply"),
    ("when: 2020-99-99", "my.yaml", "YAML cannot read"),
    ("schema: " + "9" * 5000, "my.yaml", "YAML cannot read"),
    ("schema: 1\x07", "my.yaml", "YAML cannot read"),
    ("source: {kind: histogram}", "schema", "schema: 1"),
    ("schema: 1", "source", "where the neutrinos come from"),
    ("schema: 1\n3: 4", "3", "unknown key"),
    ("schema: 1\n? [a, b]\n: 4", "('a', 'b')", "unknown key"),
]


@pytest.mark.parametrize(("text", "where", "key_word"), TEXTS, ids=lambda v: str(v)[:40])
def test_wrong_text_is_refused_with_its_line(text: str, where: str, key_word: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_card(text, "my.yaml")
    assert where in caught.value.where
    assert key_word in str(caught.value)


def test_all_problems_are_shown_together_with_their_lines() -> None:
    text = GOOD.replace("m4: 106 MeV", "m4: 106").replace("[tpc] ", "tpc").replace("gD: 2.0", "gd: 2.0")
    with pytest.raises(CardErrors) as caught:
        parse_card(text, "my.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "my.yaml: 3 problems"
    assert len(lines) == 4
    for key, start in (("model.m4", "m4: 106"), ("regions", "regions:"), ("model.gd", "gd:")):
        number = next(i for i, row in enumerate(text.splitlines(), 1) if row.strip().startswith(start))
        assert any(row.strip().startswith(f"line {number}: {key}: ") for row in lines), key


def test_a_problem_made_by_an_override_is_not_blamed_on_a_line() -> None:
    with pytest.raises(CardErrors, match=r"microboone: override: model\.m4: found the bare number 3"):
        load_card("microboone", ["model.m4=3"])


def test_card_errors_can_cross_a_process_boundary() -> None:
    with pytest.raises(CardErrors) as caught:
        load_card("microboone", ["model.m4=3", "model.hnl=x"])
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.where == caught.value.problems[0].where
    assert copy.exit_code == 3


@pytest.mark.parametrize(
    ("name", "key_word"),
    [("microbone", "Did you mean `microboone`"), ("no/such.yaml", "no such file"), ("x" * 5000, "no such file"),
     ("a\0b", "no such file"), ("", "folder")],
    ids=["near", "path", "long", "zero", "empty"],
)  # fmt: skip
def test_a_card_that_is_not_there(name: str, key_word: str) -> None:
    with pytest.raises(InputError, match=key_word) as caught:
        load_card(name)
    assert "microboone" in caught.value.allowed


@pytest.mark.parametrize(
    ("content", "key_word"),
    [
        (b"schema: 1\0", "binary"),
        (b"\xff\xfe\x00s", "UTF-8"),
        (b"# " + b"x" * 1_000_000, "1 MB"),
        (b"\x89HDF\r\n\x1a\n broken", "truncated"),
    ],
    ids=["zero", "latin", "huge", "hdf5"],
)
def test_a_file_that_is_no_card(tmp_path: Path, content: bytes, key_word: str) -> None:
    path = tmp_path / "card.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=key_word) as caught:
        load_card(path)
    assert str(path) in caught.value.where


def test_content_made_to_hurt_the_reader_is_refused() -> None:
    lists = "".join(f"  l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
    laughs = GOOD + f"junk:\n  l0: &l0 [lol]\n{lists}"
    with pytest.raises(CardErrors, match="junk: found an unknown key") as caught:
        parse_card(laughs)
    assert len(str(caught.value)) < 1000
    for twins in ("[&a [*a], &b [*b]]", "&a [*a, 0x" + "f" * 5000 + "]", "{&a [x]: *a}"):
        with pytest.raises(CardErrors, match="regions"):
            parse_card(GOOD.replace("regions: [tpc]", f"regions: {twins}"))
    itself: dict[str, Any] = {"schema": 1}
    itself["source"] = itself
    with pytest.raises(CardErrors, match=r"source\.kind"):
        load_card(itself)
    with pytest.raises(InputError, match="schema"):
        load_card({("a",): 1})  # type: ignore[dict-item]
    with pytest.raises(CardErrors, match="unknown key"):
        load_card({**load_card("microboone").resolved(), 16**5000: 1})  # type: ignore[dict-item]


@pytest.mark.parametrize("override", ["model.m4", "=3", "model\tm4=3", "model..m4=3", ".m4=3", "model.=3"])
def test_an_override_without_key_or_value(override: str) -> None:
    with pytest.raises(InputError, match="key=value"):
        load_card("microboone", [override])
