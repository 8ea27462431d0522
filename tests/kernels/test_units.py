import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorn.kernels.errors import InputError
from darkhorn.kernels.units import accepted_units, format_quantity, internal_unit, parse_quantity

DIMENSIONS = ("energy", "length", "time", "density", "exposure", "angle", "current")
KNOWN = [
    ("106 MeV", "energy", 0.106),
    ("1.5e3keV", "energy", 1.5e-3),
    ("-3 eV", "energy", -3e-9),
    ("2 TeV", "energy", 2000.0),
    (" +0.5 GeV ", "energy", 0.5),
    ("470 m", "length", 47000.0),
    (".5 km", "length", 5e4),
    ("10 mm", "length", 1.0),
    ("3 um", "length", 3e-4),
    ("1. cm", "length", 1.0),
    ("1 ps", "time", 1e-3),
    ("1.6 us", "time", 1600.0),
    ("2 ms", "time", 2e6),
    ("2 s", "time", 2e9),
    ("2.15 g/cm3", "density", 2.15),
    ("1396 kg/m3", "density", 1.396),
    ("6.87e20 POT", "exposure", 6.87e20),
    ("180 deg", "angle", math.pi),
    ("5 mrad", "angle", 5e-3),
    ("174 kA", "current", 174.0),
    ("200000 A", "current", 200.0),
]


@pytest.mark.parametrize(("text", "dimension", "value"), KNOWN)
def test_known_quantities(text: str, dimension: str, value: float) -> None:
    assert parse_quantity(text, dimension, "here") == pytest.approx(value, rel=1e-15, abs=0.0)


def test_every_unit_of_every_dimension_is_among_them() -> None:
    tested = {(dimension, text.strip().lstrip("+-.0123456789e").strip() or text) for text, dimension, _ in KNOWN}
    tested |= {("energy", "keV"), ("energy", "eV"), ("time", "ns"), ("angle", "rad")}
    assert {(dimension, unit) for dimension in DIMENSIONS for unit in accepted_units(dimension)} <= tested


@given(st.sampled_from(DIMENSIONS), st.floats(allow_nan=False, allow_infinity=False))
def test_format_and_parse_are_inverse(dimension: str, value: float) -> None:
    assert parse_quantity(format_quantity(value, dimension), dimension, "here") == value


@given(st.sampled_from(DIMENSIONS), st.floats(1e-30, 1e30), st.data())
def test_units_of_a_dimension_differ_by_a_factor(dimension: str, value: float, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from(accepted_units(dimension)))
    one = parse_quantity(f"1 {unit}", dimension, "here")
    assert parse_quantity(f"{value!r} {unit}", dimension, "here") == pytest.approx(value * one, rel=1e-15, abs=0.0)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_internal_unit_has_the_value_one(dimension: str) -> None:
    assert parse_quantity(f"1 {internal_unit(dimension)}", dimension, "here") == 1.0


@pytest.mark.parametrize("bare", [106, 0.106, "106", " 1e3 "])
def test_a_bare_number_is_refused_with_the_way_out(bare: object) -> None:
    with pytest.raises(InputError, match="bare number") as caught:
        parse_quantity(bare, "energy", "model.m4")
    message = str(caught.value)
    assert message.startswith("model.m4: ")
    assert f"Write `{str(bare).strip()} GeV`" in message
    assert "MeV" in caught.value.allowed


@pytest.mark.parametrize("text", [True, None, [1], {"m": 1}, "", "GeV", "1 2 GeV", "1,5 GeV", "1e GeV", "0x10 GeV"])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(InputError, match=r"For example `1\.5 GeV`"):
        parse_quantity(text, "energy", "here")


@pytest.mark.parametrize("text", ["nan GeV", "inf GeV", "-inf GeV", "1e999 GeV", "1e306 TeV"])
def test_infinite_numbers_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_quantity(text, "energy", "here")


def test_the_nearest_unit_is_offered() -> None:
    with pytest.raises(InputError, match="Did you mean `MeV`"):
        parse_quantity("3 Mev", "energy", "here")
    with pytest.raises(InputError, match="`m` is no unit of energy"):
        parse_quantity("3 m", "energy", "here")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6 GeV^-1", 1e-6),
        ("2 MeV^-1", 2e3),
        ("2e3 TeV^-1", 2.0),
        ("1e-9 mu_B", 1e-9 * 0.30282212 / (2 * 0.51099895e-3)),
    ],
)
def test_magnetic_moments(text: str, value: float) -> None:
    parsed = parse_quantity(text, "magnetic moment", "mu")
    assert parsed == pytest.approx(value, rel=1e-7, abs=0.0)
    assert parse_quantity(format_quantity(parsed, "magnetic moment"), "magnetic moment", "mu") == parsed


def test_a_magnetic_moment_is_no_energy() -> None:
    with pytest.raises(InputError, match="GeV\\^-1"):
        parse_quantity("1 GeV", "magnetic moment", "mu")
    with pytest.raises(InputError, match="unit of energy"):
        parse_quantity("1 GeV^-1", "energy", "m")
