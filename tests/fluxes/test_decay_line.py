"""The decay line of the BNB: normalisation, kinematics, shares of the parents."""

import numpy as np
import pytest

from darkhorn.fluxes.decay_line import MASS, PARENTS, decay_length, decay_line, mean_interaction_depth
from darkhorn.kernels.errors import InputError

ENERGIES = np.array([0.03, 0.2, 0.8, 2.4, 5.0, 20.0])


@pytest.mark.parametrize("mode", ["neutrino", "antineutrino"])
@pytest.mark.parametrize("pdg", [14, -14, 12, -12])
def test_density_is_normalised_and_has_the_mean_it_says(mode: str, pdg: int) -> None:
    line = decay_line("bnb", mode)
    z = np.linspace(line.start_cm, line.end_cm, 40001)
    means = line.mean_position(pdg, ENERGIES)
    for energy, mean in zip(ENERGIES, means, strict=True):
        density = line.density(pdg, np.full_like(z, energy), z)
        assert np.trapezoid(density, z) == pytest.approx(1, abs=1e-5)
        assert np.trapezoid(z * density, z) == pytest.approx(mean, rel=1e-5)
    np.testing.assert_array_equal(line.density(pdg, ENERGIES[:2], [line.start_cm - 1, line.end_cm + 1]), 0)


def test_shares_are_probabilities_on_a_uniform_grid() -> None:
    line = decay_line("bnb", "neutrino")
    np.testing.assert_allclose(np.diff(line.energy), line.energy[1])
    for pdg in (14, -14, 12, -12):
        assert line.share[pdg].shape == line.length_cm[pdg].shape == (len(PARENTS), line.energy.size)
        assert (line.share[pdg] >= 0).all()
        np.testing.assert_allclose(line.share[pdg].sum(axis=0), 1, rtol=1e-12)
        assert (line.length_cm[pdg] > 0).all()


@pytest.mark.parametrize(
    # share of pions in numu, MiniBooNE beam simulation (arXiv:0806.1449), bins of 50 MeV around these energies
    ("energy", "pions"),
    [
        (0.325, 0.9975),
        (1.225, 0.9824),
        (1.825, 0.8914),
        (2.125, 0.7033),
        (2.425, 0.3910),
        (2.725, 0.1300),
        (4.225, 0.0),
    ],
)
def test_pion_fraction_of_numu_is_the_published_one(energy: float, pions: float) -> None:
    fraction = decay_line("bnb", "neutrino").pion_fraction(14, [energy])
    assert fraction[0] == pytest.approx(pions, abs=0.02)


def test_most_nue_come_from_muons_and_kaons() -> None:
    share = decay_line("bnb", "neutrino").at(12, [0.6])[0][:, 0]
    assert share[PARENTS.index(13)] > share[PARENTS.index(321)] > share[PARENTS.index(211)]


def test_antineutrino_mode_takes_the_opposite_charge() -> None:
    here, there = decay_line("bnb", "neutrino"), decay_line("bnb", "antineutrino")
    np.testing.assert_array_equal(here.share[14], there.share[-14])
    assert not np.array_equal(here.share[14], here.share[-14])
    assert "opposite charge" in there.source


def test_decay_length_of_a_pion_and_its_forward_kinematics() -> None:
    momentum = 2.0  # GeV, pion
    energy = np.hypot(momentum, MASS[211])
    rest = (MASS[211] ** 2 - MASS[13] ** 2) / (2 * MASS[211])
    assert rest == pytest.approx(0.02979, abs=1e-5)
    forward = rest * (energy + momentum) / MASS[211]
    ratio = 1 - (MASS[13] / MASS[211]) ** 2
    assert forward == pytest.approx(ratio * energy, rel=3e-3)
    assert decay_length(211, ratio, np.array([forward]))[0] == pytest.approx(momentum / MASS[211] * 780.45, rel=1e-12)
    slow = decay_length(211, ratio, np.array([0.0, 0.01]))
    np.testing.assert_allclose(slow, 0.3 * 780.45)


def test_kaon_lengths_use_the_kaon() -> None:
    length = decay_line("bnb", "neutrino").at(14, [4.0])[1][1, 0]
    parent = 4.0 / (1 - (0.1056583755 / 0.493677) ** 2)
    assert length == pytest.approx(parent / 0.493677 * 371.1, rel=0.01)


def test_parameters_interpolate_to_the_same_values() -> None:
    line = decay_line("bnb", "neutrino")
    numbers = line.parameters(14)
    index = 1.2345 / float(numbers["energy_step"])
    low = int(index)
    share = numbers["share"][:, low] * (low + 1 - index) + numbers["share"][:, low + 1] * (index - low)
    np.testing.assert_allclose(share, line.at(14, [1.2345])[0][:, 0], rtol=1e-12)
    assert numbers["end_cm"] - numbers["start_cm"] == pytest.approx(5002, abs=1)


def test_mean_interaction_depth_against_its_integral() -> None:
    z = np.linspace(3, 70, 200001)
    weight = np.exp(-z / 38)
    assert mean_interaction_depth(3, 70, 38) == pytest.approx(np.trapezoid(z * weight, z) / np.trapezoid(weight, z))


@pytest.mark.parametrize(
    ("beam", "mode", "hint"), [("numi", "neutrino", "Only the BNB"), ("bnb", "neutrin", "`neutrino`")]
)
def test_unknown_lines_are_refused(beam: str, mode: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        decay_line(beam, mode)


def test_only_flavours_of_the_beam_have_a_line() -> None:
    with pytest.raises(InputError, match="PDG"):
        decay_line("bnb", "neutrino").pion_fraction(16, [1.0])
