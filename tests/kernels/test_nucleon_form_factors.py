"""Nucleon form factors: limits and the published behaviour of each parametrisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.kernels.constants import (
    HBAR_C_FM,
    MAGNETIC_MOMENT_NEUTRON,
    MAGNETIC_MOMENT_PROTON,
    MASS_NEUTRON,
    MASS_PROTON,
)
from darkhorn.kernels.form_factors import DIPOLE, GALSTER, KELLY, dipole, nucleon_vector

jax.config.update("jax_enable_x64", True)
PROTON = (MASS_PROTON, 1.0, MAGNETIC_MOMENT_PROTON)
NEUTRON = (MASS_NEUTRON, 0.0, MAGNETIC_MOMENT_NEUTRON)
KINDS = pytest.mark.parametrize("kind", [DIPOLE, GALSTER, KELLY])


def sachs(q2: float, nucleon: tuple[float, float, float], kind: float) -> tuple[float, float]:
    """G_E = F1 - tau F2 and G_M = F1 + F2."""
    arguments = [jnp.asarray(v, jnp.float64) for v in (q2, *nucleon, kind)]
    f1, f2 = nucleon_vector(*arguments)
    return float(f1 - q2 / (4 * nucleon[0] ** 2) * f2), float(f1 + f2)


@KINDS
@pytest.mark.parametrize("nucleon", [PROTON, NEUTRON])
def test_charge_and_magnetic_moment_at_rest(nucleon: tuple[float, float, float], kind: float) -> None:
    np.testing.assert_allclose(sachs(0.0, nucleon, kind), nucleon[1:], atol=1e-15)


def test_default_is_the_dipole_without_neutron_charge() -> None:
    q2 = jnp.asarray([0.01, 0.3])
    mass, charge, moment = (jnp.asarray(v) for v in NEUTRON)
    f1, f2 = nucleon_vector(q2, mass, charge, moment)
    np.testing.assert_allclose(f1 - q2 / (4 * mass**2) * f2, 0, atol=1e-16)
    np.testing.assert_allclose(f1 + f2, moment * dipole(q2, 0.843), rtol=1e-14)


@pytest.mark.parametrize(("kind", "tolerance"), [(GALSTER, 0.10), (KELLY, 0.04)])
def test_mean_square_charge_radius_of_the_neutron(kind: float, tolerance: float) -> None:
    """<r^2> = -6 dG_E/dQ^2 = -0.1155 fm^2 from thermal neutrons on electrons (PDG 2024)."""
    step = 1e-5
    radius2 = -6 * sachs(step, NEUTRON, kind)[0] / step * HBAR_C_FM**2
    np.testing.assert_allclose(radius2, -0.1155, rtol=tolerance)


def test_proton_charge_radius_of_kelly() -> None:
    """0.863(4) fm, stated by Kelly with the fit."""
    step = 1e-5
    radius = np.sqrt(6 * (1 - sachs(step, PROTON, KELLY)[0]) / step) * HBAR_C_FM
    np.testing.assert_allclose(radius, 0.863, atol=0.004)


@pytest.mark.parametrize("q2", [0.1, 0.5, 1.0])
def test_kelly_is_near_the_dipole_and_galster_near_kelly(q2: float) -> None:
    shape = float(dipole(jnp.asarray(q2), 0.843))
    for nucleon in (PROTON, NEUTRON):
        magnetic = sachs(q2, nucleon, KELLY)[1] / (nucleon[2] * shape)
        assert 0.95 < magnetic < 1.08
    assert 0.85 < sachs(q2, PROTON, KELLY)[0] / shape < 1.01
    kelly, galster = (sachs(q2, NEUTRON, kind)[0] for kind in (KELLY, GALSTER))
    assert 0.01 < kelly < 0.06
    np.testing.assert_allclose(galster, kelly, rtol=0.3)
