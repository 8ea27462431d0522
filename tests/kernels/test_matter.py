import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.fluxes.hadron_cross_sections import cross_sections, interaction_lengths, matter_table, quasi_elastic
from darkhorn.kernels.hadron_nucleus import slow_pion_total
from darkhorn.kernels.matter import (
    ALUMINIUM,
    BERYLLIUM,
    GRAPHITE,
    elastic_angle_squared,
    elastic_slope,
    energy_loss,
    scattering_variance,
)


@pytest.mark.parametrize(("material", "minimum"), [(BERYLLIUM, 1.595), (GRAPHITE, 1.753), (ALUMINIUM, 1.615)])
def test_minimum_ionisation_of_the_tables(material: object, minimum: float) -> None:
    """MeV cm2/g of a muon, as tabulated by the PDG."""
    loss = energy_loss(jnp.linspace(0.2, 1.0, 400), 0.1056584, material)  # type: ignore[arg-type]
    assert float(jnp.min(loss)) * 1e3 / material.density == pytest.approx(minimum, rel=2e-3)  # type: ignore[attr-defined]


def test_scattering_does_not_depend_on_steps() -> None:
    """Differences add up to the formula of the PDG for the whole thickness."""
    p, beta = jnp.asarray(1.0), jnp.asarray(0.99)
    edges = jnp.linspace(0.0, 0.3, 31)
    steps = scattering_variance(edges[1:], p, beta) - scattering_variance(edges[:-1], p, beta)
    whole = (0.0136 / 0.99) ** 2 * 0.3 * (1 + 0.038 * np.log(0.3 / 0.99**2)) ** 2
    assert float(jnp.sum(steps)) == pytest.approx(whole, rel=1e-12)
    assert bool(jnp.all(steps > 0))


def test_elastic_scattering_has_its_slope(rng: np.random.Generator) -> None:
    u = jnp.asarray(rng.random(100_000))
    t = np.asarray(elastic_angle_squared(u, jnp.asarray(3.0), elastic_slope(9.0))) * 9.0
    slope = 14.5 * 9 ** (2 / 3)
    assert t.mean() * slope == pytest.approx(1.0, abs=0.016)  # five standard errors


def test_cross_sections_at_the_beam_momentum() -> None:
    """p + Be at 8.89 GeV/c: 212.3 mb inelastic, 285.4 mb total; 38.15 cm between interactions."""
    at = np.array([8.889])
    inelastic, elastic = cross_sections(2212, "Be", at)
    assert inelastic[0] == pytest.approx(212.3, abs=0.1)
    assert inelastic[0] + elastic[0] == pytest.approx(285.4, abs=0.2)
    assert quasi_elastic(2212, "Be", at)[0] == pytest.approx(34.6, abs=0.1)
    production, _, knocked = interaction_lengths(2212, "Be", at)
    assert 1 / (production[0] + knocked[0]) == pytest.approx(38.15, abs=0.05)


def test_pions_peak_at_the_delta_and_join_smoothly() -> None:
    p = jnp.linspace(0.1, 0.6, 501)
    for mass_number, radius, spacing in ((9.0, 3.12, 0.0025), (27.0, 3.76, 0.015 * 27 ** (-2 / 3))):
        total = slow_pion_total(p, mass_number, radius, spacing)
        assert 0.2 < float(p[jnp.argmax(total)]) < 0.32
    fine = np.arange(0.2, 10.0, 0.005)
    for pdg in (211, -211):
        for nucleus, area in (("Be", 4.33), ("Al", 9.0)):
            inelastic, elastic = cross_sections(pdg, nucleus, fine)
            assert np.max(np.abs(np.diff(inelastic))) < 0.04 * inelastic.max()
            assert np.all(elastic >= 0)
            fast = inelastic[fine > 1]
            assert np.all(
                (fast > 35 * area) & (fast < 55 * area)
            )  # a black disc of radius 1.2 A^(1/3) fm is 45 mb A^(2/3)


def test_tables_for_the_device() -> None:
    table = matter_table(211)
    assert table.shape == (2001, 8)
    p = 3.0
    row = table[600]
    production, _, knocked = interaction_lengths(211, "Be", np.array([p]))
    assert row[0] == pytest.approx(production[0])
    assert row[6] == pytest.approx(knocked[0])
    assert 0.05 < knocked[0] / production[0] < 0.3
    loss = float(energy_loss(jnp.asarray(p), 0.13957039, ALUMINIUM))
    assert row[5] == pytest.approx(loss * np.hypot(p, 0.13957039) / p)
    assert np.all(matter_table(2112)[:, 4:6] == 0)  # neutrons do not ionise
    assert np.all(matter_table(321)[:, 6:] == 0)


def test_gradients_are_finite() -> None:
    for function in (
        lambda p: energy_loss(p, 0.1396, BERYLLIUM),
        lambda p: scattering_variance(jnp.asarray(0.0), p, jnp.asarray(0.9)),
        lambda p: slow_pion_total(p, 9.0, 3.12, 0.0025),
    ):
        for p in (0.06, 0.3, 3.0):
            assert np.isfinite(float(jax.grad(function)(jnp.asarray(p))))
