"""Good cards: values in internal units, overrides, the resolved form, hooks for names, registered models."""

import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkhorn.generator import card_models
from darkhorn.generator.card_models import BeamName, DarkNeutrino, HistogramSource, ModelSection
from darkhorn.generator.card_places import BEAMS, Box, Cylinder, SameShape, Sphere
from darkhorn.generator.card_schema import card_schema, schema_markdown
from darkhorn.generator.card_values import Energy, word
from darkhorn.generator.runcard import (
    CardErrors,
    RunCard,
    list_cards,
    load_card,
    parse_card,
    register_model,
    show_card,
)
from darkhorn.kernels.errors import InputError


def dark_neutrino(card: RunCard) -> DarkNeutrino:
    assert isinstance(card.model, DarkNeutrino)
    return card.model


def test_microboone_card_in_internal_units() -> None:
    card = load_card("microboone")
    model = dark_neutrino(card)
    assert model.m4 == pytest.approx(0.106, rel=1e-15)
    assert model.mzprime == pytest.approx(0.030, rel=1e-15)
    assert (model.umu4_sq, model.epsilon, model.gD, model.hnl) == (2.0e-10, 8.0e-4, 2.0, "dirac")
    assert model.umu4 == pytest.approx(math.sqrt(2.0e-10))
    assert model.alphaD == pytest.approx(1 / math.pi)
    assert card.exposure == 6.87e20
    assert (card.regions, card.decay_in, card.force_decay) == (("tpc",), ("tpc",), True)
    assert (card.generate.events, card.generate.seed, card.generate.visible) == (100000, 1, "e+e-")
    assert isinstance(card.source, HistogramSource)
    assert card.source.decay_line is not None
    assert (card.source.decay_line.start, card.source.decay_line.end) == (0.0, 5000.0)
    assert card.source.spill is not None
    assert card.source.spill.buckets == 81
    assert card.source.spill.spacing == pytest.approx(18.936)
    assert card.output.pdg_map == {"N4": 5914, "N5": 5915, "N6": 5916, "Zprime": 5921}
    assert card.text == show_card("microboone")


def test_every_shipped_card_is_valid_and_explains_every_line() -> None:
    assert "microboone" in list_cards()
    for name in list_cards():
        load_card(name)
    # the first card explains itself; the others say in a comment how they differ from it
    for line in show_card("microboone").splitlines():
        assert not line or "#" in line or line.endswith(":"), line
    assert all(show_card(name).startswith("# ") for name in list_cards())
    with pytest.raises(InputError, match="Did you mean `microboone`"):
        show_card("microbone")


def test_own_detector() -> None:
    text = """
name: mine
volumes:
  tpc: {shape: box, centre: [128 cm, 0 cm, 5.18 m], size: [2.5 m, 2.3 m, 10 m], material: &m argon}
  ball: {shape: sphere, centre: [0 m, 0 m, 0 m], radius: 610.6 cm, material: *m}
  pipe: {shape: cylinder, centre: [0 m, 0 m, 0 m], radius: 1 m, length: 40 mm, axis: y, material: *m}
materials: {argon: {density: 1400 kg/m3, composition: {Ar40: 0.996, Ar36: 0.004}}}
frame: {origin: [0 m, 0 m, 470 m], rotation: [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]}
baseline: 470 m
"""
    detector = load_card("microboone", [f"detector={text}", "regions=[tpc, ball]", "decay_in=pipe"]).detector
    tpc, ball, pipe = (detector.volumes[name] for name in ("tpc", "ball", "pipe"))
    assert isinstance(tpc, Box)
    assert tpc.centre == pytest.approx((128.0, 0.0, 518.0))
    assert isinstance(ball, Sphere)
    assert ball.radius == pytest.approx(610.6)
    assert isinstance(pipe, Cylinder)
    assert pipe.axis == "y"
    assert pipe.length == pytest.approx(4.0)
    assert detector.materials["argon"].density == pytest.approx(1.4)
    assert detector.frame is not None
    assert detector.frame.origin == pytest.approx((0.0, 0.0, 47000.0))
    assert detector.baseline == pytest.approx(47000.0)


def test_a_shipped_detector_with_changes() -> None:
    mud = {"density": "2 g/cm3", "composition": {"Si28": 0.5, "O16": 0.5}}
    card = load_card("microboone", {"detector.materials.mud": mud, "detector.volumes.soil.material": "mud"})
    assert (card.detector.name, card.detector.base) == ("microboone", "microboone")
    assert isinstance(card.detector.volumes["soil"], SameShape)
    card.check_names(volumes=["tpc", "soil"], materials=["argon"], nuclides=["Si28", "O16"])
    with pytest.raises(CardErrors, match=r"regions\[0\].*tpc.*Did you mean `tpx`"):
        card.check_names(volumes=["tpx", "soil"])
    with pytest.raises(CardErrors, match=r"detector\.materials\.mud\.composition\.Si28"):
        card.check_names(nuclides=["O16"])
    wrong = load_card(card, {"detector.volumes.soil.material": "mudd"})
    with pytest.raises(CardErrors, match=r"soil\.material: found 'mudd'.*Did you mean `mud`"):
        wrong.check_names(materials=["argon"])


def test_a_state_too_heavy_for_the_beam() -> None:
    card = load_card("microboone")
    card.check_threshold(1.0, 7.0)
    with pytest.raises(CardErrors, match=r"line \d+: model\.m4: found a threshold of 8 GeV"):
        card.check_threshold(8.0, 7.0)


def test_overrides() -> None:
    changes = ["model.m4=120 MeV", "model.umu4=1e-5", "model.alphaD=0.25", "regions=[tpc, soil]", "generate.events=1e6"]
    card = load_card("microboone", changes)
    model = dark_neutrino(card)
    assert model.m4 == pytest.approx(0.12)
    assert model.umu4_sq == pytest.approx(1e-10)
    assert model.gD == pytest.approx(math.sqrt(math.pi))
    assert card.regions == ("tpc", "soil")
    assert card.generate.events == 10**6
    assert card.text == show_card("microboone")
    assert dark_neutrino(load_card(card, {"model.umu4_sq": 3e-10})).umu4_sq == 3e-10
    assert load_card("microboone", "generate.seed=7").generate.seed == 7


def test_numbers_of_numpy_are_numbers() -> None:
    changes = {"model.epsilon": np.float32(0.5), "generate.events": np.int64(7), "generate.seed": np.uint8(3)}
    card = load_card("microboone", changes)
    assert (dark_neutrino(card).epsilon, card.generate.events, card.generate.seed) == (0.5, 7, 3)
    json.dumps(card.resolved())


def test_every_beam_that_a_card_may_name_has_its_defaults() -> None:
    assert set(get_args(BeamName)) == set(BEAMS)


def test_an_override_reaches_one_of_two_sections_that_share_an_anchor() -> None:
    shape = "{shape: box, centre: [0 m, 0 m, 0 m], size: [1 m, 1 m, 1 m], material: argon}"
    detector = f"detector={{base: microboone, volumes: {{a: &s {shape}, b: *s}}}}"
    card = load_card(load_card("microboone", [detector]), ["detector.volumes.a.size=[2 m, 2 m, 2 m]"])
    a, b = card.detector.volumes["a"], card.detector.volumes["b"]
    assert isinstance(a, Box)
    assert isinstance(b, Box)
    assert (a.size[0], b.size[0]) == (200.0, 100.0)
    both = parse_card(
        show_card("microboone").replace("detector: microboone", detector.replace("=", ": ")),
        overrides=["detector.volumes.a.material=mud"],
    )
    assert [both.detector.volumes[name].material for name in "ab"] == ["mud", "argon"]


def test_resolved_is_json_and_a_valid_card_and_hash_is_of_the_meaning() -> None:
    card = load_card("microboone")
    resolved = json.loads(json.dumps(card.resolved()))
    again = load_card(resolved)
    assert again.resolved() == card.resolved()
    assert again.hash() == card.hash()
    assert load_card("microboone", ["model.m4=0.106 GeV"]).hash() == card.hash()
    assert load_card("microboone", ["model.m4=107 MeV"]).hash() != card.hash()
    mixed = [
        f"detector.materials={{m: {{density: 1 g/cm3, composition: {{{c}}}}}}}"
        for c in ("H1: 0.5, O16: 0.5", "O16: 0.5, H1: 0.5")
    ]
    assert load_card("microboone", mixed[:1]).hash() == load_card("microboone", mixed[1:]).hash()
    assert load_card("microboone", ["source.spill=null"]).resolved()["source"]["spill"] is None
    without = load_card("microboone", ["source.spill=null"])
    assert load_card(without.resolved()).hash() == without.hash() != card.hash()


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = show_card("microboone")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert load_card("-").hash() == load_card("microboone").hash()


def test_an_event_file_is_a_card(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    card = load_card("microboone", ["model.m4=120 MeV"])
    with h5py.File(path, "w") as file:
        file["config/card_resolved"] = json.dumps(card.resolved())
    assert load_card(path).hash() == card.hash()
    assert load_card(str(path), ["model.m4=106 MeV"]).hash() == load_card("microboone").hash()
    with h5py.File(path, "w") as file:
        file.create_group("config")
    with pytest.raises(InputError, match="without a card"):
        load_card(path)


def test_files_named_by_a_card_start_at_its_folder(tmp_path: Path) -> None:
    flux = "source={kind: histogram, file: flux.dat, content: per-GeV, unit: cm^-2 POT^-1}"
    path = tmp_path / "mine.yaml"
    path.write_text(show_card("microboone"))
    card = load_card(path, [flux])
    assert isinstance(card.source, HistogramSource)
    assert card.source.file == "flux.dat"
    assert (card.source.spill, card.source.decay_line) == (None, None)
    with pytest.raises(CardErrors, match=r"source\.file: found no such file"):
        card.locate("flux.dat")
    (tmp_path / "flux.dat").write_text("1 2\n")
    assert card.locate("flux.dat") == tmp_path / "flux.dat"
    assert load_card(card).locate("flux.dat") == tmp_path / "flux.dat"


def test_a_registered_model_is_checked_and_described() -> None:
    class Portal(ModelSection):
        """A model of a test."""

        particles: ClassVar[dict[str, int]] = {"S": 9000001}
        visible_states: ClassVar[tuple[str, ...]] = ("mu+mu-",)
        name: Annotated[Literal["portal"], word(Literal["portal"])]
        ms: Energy

    register_model("portal", Portal)
    try:
        register_model("portal", Portal)
        with pytest.raises(ValueError, match="already registered"):
            register_model("portal", DarkNeutrino)
        changes: dict[str, Any] = {"model": {"name": "portal", "ms": "1 GeV"}, "generate.visible": "mu+mu-"}
        card = load_card("microboone", changes)
        assert isinstance(card.model, Portal)
        assert (card.model.ms, card.output.pdg_map) == (1.0, {"S": 9000001})
        assert load_card(card.resolved()).hash() == card.hash()
        with pytest.raises(CardErrors, match=r"model\.m4: found an unknown key; allowed: name, ms"):
            load_card("microboone", {**changes, "model": {"name": "portal", "ms": "1 GeV", "m4": "1 GeV"}})
    finally:
        del card_models.MODELS["portal"]


def test_schema_describes_every_key_with_its_unit() -> None:
    schema = card_schema()
    for name, section in [("card", schema), *schema["$defs"].items()]:
        for key, field in section["properties"].items():
            assert field.get("description"), f"{name}.{key}"
        assert section["additionalProperties"] is False
    mass = schema["$defs"]["DarkNeutrino"]["properties"]["m4"]
    assert mass["x-unit"] == "energy (eV, keV, MeV, GeV, TeV)"
    assert mass["examples"] == ["106 MeV"]
    json.dumps(schema)


def test_schema_accepts_what_the_loader_accepts() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(card_schema())
    resolved = load_card("microboone").resolved()
    assert validator.is_valid(resolved)
    for wrong in ({**resolved, "exposure": 3.0}, {**resolved, "x": 1}, {**resolved, "detector": 3}):
        assert not validator.is_valid(wrong)


def test_markdown_reference_has_a_row_for_every_key() -> None:
    text = schema_markdown()
    for name, section in card_schema()["$defs"].items():
        assert f"\n## {name}\n" in text
        for key in section["properties"]:
            assert f"\n| `{key}` |" in text
    rows = [row.replace("\\|", "") for row in text.splitlines() if row.startswith("|")]
    assert {row.count("|") for row in rows} == {5}


def test_import_is_light() -> None:
    code = (
        "import sys; import darkhorn.generator.runcard, darkhorn.generator.card_schema; "
        "print([m for m in ('jax', 'numpy', 'h5py', 'ruamel.yaml', 'particle') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- properties -------------------------------------------------------------------------------------------------------

positive = st.floats(1e-6, 1e6, allow_nan=False)
lengths = st.tuples(
    st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from(["um", "mm", "cm", "m", "km"])
).map(lambda pair: f"{pair[0]!r} {pair[1]}")  # fmt: skip
positive_lengths = st.tuples(positive, st.sampled_from(["mm", "cm", "m"])).map(lambda pair: f"{pair[0]!r} {pair[1]}")
points = st.lists(lengths, min_size=3, max_size=3)
materials = st.just("argon")
volumes = st.one_of(
    st.fixed_dictionaries(
        {"shape": st.just("box"), "centre": points, "material": materials}
        | {"size": st.lists(positive_lengths, min_size=3, max_size=3)}
    ),
    st.fixed_dictionaries(
        {"shape": st.just("sphere"), "centre": points, "radius": positive_lengths, "material": materials}
    ),
    st.fixed_dictionaries(
        {"shape": st.just("cylinder"), "centre": points, "radius": positive_lengths, "length": positive_lengths},
        optional={"axis": st.sampled_from(["x", "y", "z"])},
    ).map(lambda volume: {**volume, "material": "argon"}),
)
detectors = st.one_of(
    st.just("microboone"),
    st.fixed_dictionaries({"base": st.just("microboone")}, optional={"baseline": positive_lengths}),
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["mine", "near-detector"]),
            "volumes": st.fixed_dictionaries({"tpc": volumes}, optional={"hall": volumes}),
            "materials": st.just({"argon": {"density": "1.4 g/cm3", "composition": {"Ar40": 1.0}}}),
            "frame": st.fixed_dictionaries({"origin": points}),
            "baseline": positive_lengths,
        }
    ),
)


@st.composite
def cards(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid card."""
    mzprime = draw(st.floats(2.0, 1e4))
    model: dict[str, Any] = {
        "name": "dark-neutrino",
        "hnl": draw(st.sampled_from(["dirac", "majorana"])),
        "mzprime": f"{mzprime!r} MeV",
        "m4": f"{mzprime * draw(st.floats(1.01, 100)) * 1e3!r} keV",
        "epsilon": draw(st.floats(1e-12, 1.0)),
        draw(st.sampled_from(["gD", "alphaD"])): draw(st.floats(1e-6, 3.0)),
        draw(st.sampled_from(["umu4_sq", "umu4", "ue4", "utau4_sq"])): draw(st.floats(1e-15, 1.0)),
    }
    card = {
        "schema": 1,
        "source": {"kind": "histogram", "beam": "bnb", "mode": draw(st.sampled_from(["neutrino", "antineutrino"]))},
        "detector": draw(detectors),
        "regions": ["tpc"],
        "decay_in": "tpc",
        "exposure": f"{draw(st.floats(1.0, 1e25))!r} POT",
        "model": model,
    }
    extra = {
        "force_decay": st.booleans(),
        "physics": st.fixed_dictionaries({}, optional={"z_exchange": st.booleans(), "regimes": st.just(["coherent"])}),
        "generate": st.fixed_dictionaries(
            {}, optional={"events": st.integers(1, 2**48), "seed": st.integers(0, 2**63 - 1)}
        ),
        "output": st.fixed_dictionaries({}, optional={"pdg_map": st.just({"N4": -9900012})}),
    }
    return card | draw(st.fixed_dictionaries({}, optional=extra))


@given(cards())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_resolving_a_resolved_card_changes_nothing(content: dict[str, Any]) -> None:
    card = load_card(content)
    text = json.dumps(card.resolved())
    assert parse_card(text).resolved() == card.resolved()
    assert load_card(json.loads(text)).hash() == card.hash()


def message_of(overrides: dict[str, Any] | list[str]) -> str:
    """What the user sees; any other exception than InputError fails the test."""
    try:
        return load_card("microboone", overrides).name
    except InputError as error:
        return str(error)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1 m", "bnb", "tpc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
SOME_KEYS = """schema source detector regions decay_in exposure model physics generate output model.m4 model.name
source.kind source.spill detector.volumes detector.volumes.tpc detector.frame.rotation generate.events output.pdg_map"""
keys = st.sampled_from(SOME_KEYS.split())


@given(st.dictionaries(keys, plain, min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_junk_in_a_card_never_raises_anything_else(junk: dict[str, Any]) -> None:
    assert len(message_of(junk)) < 20000


@given(st.binary(max_size=200) | st.text(alphabet="a:{}[]-\n \t!&*|>'\"#%@`1.?,", max_size=60).map(str.encode))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_junk_bytes_never_raise_anything_else(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.yaml"
    path.write_bytes(junk)
    with pytest.raises(InputError):
        load_card(path)


@given(st.lists(st.text(alphabet="model.4=1e-{}[],: MV\t!*", max_size=20), max_size=3))
@settings(max_examples=200, deadline=None)
def test_junk_overrides_never_raise_anything_else(junk: list[str]) -> None:
    assert message_of(junk).isprintable() or "problems" in message_of(junk)
