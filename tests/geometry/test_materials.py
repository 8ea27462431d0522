import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorn.geometry.materials import ELEMENTS, make_material, material, number_density, shipped_materials
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.errors import InputError


@pytest.mark.parametrize("name", shipped_materials())
def test_shipped_materials(name: str) -> None:
    known = material(name)
    assert known.name == name
    assert known.source
    assert math.fsum(known.composition.values()) == pytest.approx(1, abs=1e-12)
    # mass of the counted nuclei with their electrons is the density again
    grams_per_gev = 1.78266192e-24
    mass = sum(count * nuclide(key).atomic_mass for key, count in number_density(known).items()) * grams_per_gev
    assert mass == pytest.approx(known.density, rel=1e-8)


def test_liquid_argon() -> None:
    # 1.3954 g/cm3 * 6.02214076e23 / 39.9623831 by hand
    assert number_density(material("liquid-argon"))["Ar40"] == pytest.approx(2.102801e22, rel=1e-6)


def test_mineral_oil_is_ch2() -> None:
    counts = number_density(material("mineral-oil"))
    assert counts["H1"] / counts["C12"] == pytest.approx(2, rel=1e-12)
    assert counts["C12"] == pytest.approx(0.845 * 6.02214076e23 / 14.01565, rel=1e-5)


def test_density_of_soil_is_a_parameter() -> None:
    light, default = number_density(material("soil", 1.7)), number_density(material("soil"))
    assert light["Si28"] / default["Si28"] == pytest.approx(1.7 / 2.25, rel=1e-12)
    assert "as given" in material("soil", 1.7).source


@given(st.dictionaries(st.sampled_from(sorted(ELEMENTS)), st.floats(0.01, 1), min_size=1), st.floats(0.01, 30))
def test_fractions_are_normalised_and_isotopes_counted(weights: dict[str, float], density: float) -> None:
    total = math.fsum(weights.values())
    mixed = make_material("mix", density, {key: value / total * 1.0009 for key, value in weights.items()})
    assert math.fsum(mixed.composition.values()) == pytest.approx(1, abs=1e-12)
    for element, weight in weights.items():
        got = math.fsum(mixed.composition[isotope] for isotope in ELEMENTS[element])
        assert got == pytest.approx(weight / total, rel=1e-9)


def test_isotopes_of_an_element_and_a_nuclide_add_up() -> None:
    mixed = make_material("mix", 1.0, {"Ar": 0.5, "40Ar": 0.25, "C": 0.25})
    assert mixed.composition == pytest.approx({"Ar40": 0.75, "C12": 0.25})


@pytest.mark.parametrize("element", ELEMENTS)
def test_isotopic_shares_sum_to_one(element: str) -> None:
    assert math.fsum(ELEMENTS[element].values()) == pytest.approx(1, abs=1e-9)
    assert all(isotope.rstrip("0123456789") == element for isotope in ELEMENTS[element])


@pytest.mark.parametrize(
    ("density", "composition", "message"),
    [
        (0.0, {"Ar": 1.0}, "density"),
        (-1.4, {"Ar": 1.0}, "density"),
        (math.nan, {"Ar": 1.0}, "density"),
        ("1.4", {"Ar": 1.0}, "density"),
        (True, {"Ar": 1.0}, "density"),
        (1.0, {"Ar": 0.9}, "sum to 0.9"),
        (1.0, {"Ar": 1.1, "C": -0.1}, "composition.C"),
        (1.0, {"Ar": "much"}, "composition.Ar"),
        (1.0, {"Unobtainium": 1.0}, "Unobtainium"),
        (1.0, {}, "composition"),
        (1.0, ["Ar"], "composition"),
    ],
)
def test_bad_materials_are_refused(density: float, composition: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_material("bad", density, composition, where="detector.volumes.tpc.material")


def test_a_misspelt_material_is_explained() -> None:
    with pytest.raises(InputError, match="Did you mean `liquid-argon`"):
        material("liquid-argn")
    with pytest.raises(InputError):
        material(7)  # type: ignore[arg-type]
