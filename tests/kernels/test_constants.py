import math

import pytest
import scipy.constants as codata
from particle import Particle

from darkhorn.kernels import constants

GEV = codata.giga * codata.electron_volt  # joule


def mass_of(kilograms: float) -> float:
    return float(kilograms * codata.speed_of_light**2 / GEV)


# 2e-9: CODATA 2018 (ours) and 2022 differ by up to 1.4e-9
@pytest.mark.parametrize(
    ("ours", "value", "precision"),
    [
        (constants.ALPHA, codata.fine_structure, 2e-9),
        (constants.HBAR_C, codata.hbar * codata.speed_of_light / GEV * 100, 1e-12),
        (constants.HBAR_C_FM, codata.hbar * codata.speed_of_light / GEV * 1e15, 1e-12),
        (constants.SPEED_OF_LIGHT, codata.speed_of_light * 1e-7, 1e-15),
        (constants.AVOGADRO, codata.Avogadro, 1e-15),
        (constants.ATOMIC_MASS_UNIT, mass_of(codata.atomic_mass), 2e-9),
        (constants.MASS_ELECTRON, mass_of(codata.electron_mass), 2e-9),
        (constants.MASS_PROTON, mass_of(codata.proton_mass), 2e-9),
        (constants.MASS_NEUTRON, mass_of(codata.neutron_mass), 2e-9),
        (constants.MAGNETIC_MOMENT_PROTON, codata.value("proton mag. mom. to nuclear magneton ratio"), 2e-7),
        (constants.MAGNETIC_MOMENT_NEUTRON, codata.value("neutron mag. mom. to nuclear magneton ratio"), 2e-7),
        (constants.FERMI_CONSTANT, codata.value("Fermi coupling constant"), 1e-6),
    ],
)
def test_against_codata(ours: float, value: float, precision: float) -> None:
    assert ours == pytest.approx(value, rel=precision)


@pytest.mark.parametrize(
    ("ours", "pdg", "precision"),
    [
        (constants.MASS_MUON, 13, 1e-8),
        (constants.MASS_TAU, 15, 1e-4),
        (constants.MASS_PION, 211, 2e-6),
        (constants.MASS_KAON, 321, 5e-5),
        (constants.MASS_Z, 23, 5e-5),
    ],
)
def test_against_the_particle_data_group(ours: float, pdg: int, precision: float) -> None:
    mass = Particle.from_pdgid(pdg).mass
    assert mass is not None
    assert ours == pytest.approx(mass * 1e-3, rel=precision)


def test_derived_constants() -> None:
    assert math.isclose(constants.ELECTRIC_CHARGE**2 / (4 * math.pi), 1 / 137.035999, rel_tol=1e-15)
    # 0.389 379 3721 GeV^2 mb (PDG); 1 mb is 1e-27 cm^2
    assert math.isclose(constants.HBAR_C_SQUARED, 0.3893793721e-27 * 1e38, rel_tol=5e-10)
    neutral = math.sqrt(2) * constants.FERMI_CONSTANT * constants.MASS_Z**2
    assert math.isclose(constants.WEAK_NEUTRAL_COUPLING**2, neutral, rel_tol=1e-15)
    assert math.isclose(constants.DIPOLE_VECTOR_MASS**2, 0.71, abs_tol=1e-3)
