"""The bound nucleon against the independent numbers of tests/reference/incoherent.json, and its limits."""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.geometry.nuclides import fourier_bessel_of, nuclide
from darkhorn.kernels.kinematics import FourVector, Vector, along, four
from darkhorn.kernels.matrix_elements import fermi_gas, fermi_gas_totals, upscattering
from darkhorn.kernels.matrix_elements.exchange import VectorExchange
from darkhorn.kernels.matrix_elements.fermi_gas import FermiGas, Uniforms
from darkhorn.kernels.matrix_elements.upscattering import Target, Vertices
from darkhorn.kernels.quadrature import gauss_legendre

jax.config.update("jax_enable_x64", True)
ENTRIES = json.loads((Path(__file__).parents[2] / "reference/incoherent.json").read_text())["entries"]
HELICITIES = {"conserving_lab": -1.0, "flipping_lab": 1.0}
ONE = jnp.asarray(1.0)
ALL = pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e["id"])


def numbers(*values: float) -> list[jax.Array]:
    return [jnp.asarray(v, jnp.float64) for v in values]


def setup(entry: dict[str, Any]) -> tuple[list[jax.Array], Target, VectorExchange, FermiGas]:
    """[E, m], target, Z', gas of an entry; the magnetic moments are those of its calculation."""
    given = entry["inputs"]
    proton = given["nucleon"] == "p"
    moments = (2.792, -1.913) if proton else (-1.913, 2.792)
    mass, one, radius, charge, *mu = numbers(given["M_nucleon"], 1.0, 2.0, float(proton), *moments)
    target = Target(mass, one, radius, jnp.asarray([1.0, 0.5]), charge, *mu)
    (m_zprime,) = numbers(given["m_Zprime"])
    return (
        numbers(given["E_nu"], given["m_N"]),
        target,
        VectorExchange(m_zprime, ONE, Vertices(*numbers(given["d"], given["g_e"], 0.0, 0.0))),
        FermiGas(*numbers(given["pF"], given["E_b"])),
    )


TOTAL = jax.jit(fermi_gas_totals.total)
DSIGMA = jax.jit(fermi_gas_totals.dsigma_dq2)
FREE = jax.jit(VectorExchange.dsigma_dq2)
DENSITY = jax.jit(fermi_gas.density)


@ALL
def test_totals_per_helicity(entry: dict[str, Any]) -> None:
    (energy, m), target, exchange, gas = setup(entry)
    found = {
        name: 1e-38 * float(TOTAL(energy, m, jnp.asarray(h), target, gas, exchange)) for name, h in HELICITIES.items()
    }
    expected = entry["value_cm2_per_nucleon"]
    # the stated error is that of the sum; a suppressed helicity has 1e-5 of its own
    np.testing.assert_allclose(sum(found.values()), expected["sum"], rtol=max(entry["error_rel"], 1e-6) + 5e-7)
    for name, value in found.items():
        np.testing.assert_allclose(
            value, expected[name], rtol=entry["error_rel"] + (1e-5 if "flip" in name else 1e-6), err_msg=name
        )


@ALL
def test_distribution_in_q2_and_the_other_responses(entry: dict[str, Any]) -> None:
    (energy, m), target, exchange, gas = setup(entry)
    table = entry["dsigma_dQ2"]
    q2 = jnp.asarray(table["Q2_GeV2"])
    bound, free = [], []
    for h in (-ONE, ONE):
        bound.append(1e-38 * np.asarray(DSIGMA(energy, q2, m, h, target, gas, exchange)))
        free.append(1e-38 * np.asarray(FREE(exchange, energy, q2, m, h, target)))
    np.testing.assert_allclose(bound[0], table["conserving"], rtol=3e-9)
    np.testing.assert_allclose(bound[0] + bound[1], table["value_cm2_per_GeV2"], rtol=3e-9)
    np.testing.assert_allclose(free[0] + free[1], table["free"], rtol=3e-9)
    found = fermi_gas.response_of_free_nucleons(q2, jnp.asarray(fermi_gas.PAULI), target, gas.momentum)
    np.testing.assert_allclose(found, table["closed_pauli_R"], rtol=1e-14)


@pytest.mark.parametrize("number", [0, 8, 13])
def test_closure_and_free_responses_of_a_nucleus(number: int) -> None:
    """Z times the total of a nucleon at rest, with 1 - F^2 and bare; F the tabulated charge density."""
    entry = ENTRIES[number]
    (energy, m), target, exchange, gas = setup(entry)
    what = nuclide(entry["inputs"]["target"])
    radius, coefficients = fourier_bessel_of(what, 20)
    target = target._replace(radius=jnp.asarray(radius), coefficients=jnp.asarray(coefficients))
    limits = upscattering.invariants(energy, m, target.mass)

    @jax.jit
    def integral(kind: jax.Array) -> jax.Array:
        def integrand(log_q2: jax.Array) -> jax.Array:
            q2 = jnp.exp(log_q2)
            both = [exchange.dsigma_dq2(energy, q2, m, h, target) for h in (-ONE, ONE)]
            response = fermi_gas.response_of_free_nucleons(q2, kind, target, gas.momentum)
            return q2 * response * (both[0] + both[1])

        return gauss_legendre(integrand, jnp.log(limits.q2_min), jnp.log(limits.q2_max), 200)

    kinds = {"Z_sigma_free": fermi_gas.FREE, "Z_sigma_free_times_1_minus_F2": fermi_gas.CLOSURE}
    for name, kind in kinds.items():
        found = 1e-38 * what.Z * integral(jnp.asarray(kind))
        np.testing.assert_allclose(found, entry["nuclear_totals"][name], rtol=1e-7, err_msg=name)


@jax.jit
def weights(
    u: jax.Array, scales: list[jax.Array], h: jax.Array, target: Target, exchange: VectorExchange, gas: FermiGas
) -> Any:
    energy, m = scales
    draw = partial(exchange.draw_q2, scale=jnp.asarray(1e3), floor=0 * m)
    x, jacobian = fermi_gas.sample(Uniforms(*u), jnp.broadcast_to(energy, u.shape[1:]), m, target.mass, gas, draw)
    return x, fermi_gas.density(x, m, h, target, gas, exchange) * jacobian


@pytest.mark.parametrize("number", [0, 13, 17, 24])
@pytest.mark.parametrize("helicity", HELICITIES)
def test_mean_weight_of_the_sampler_is_the_total(number: int, helicity: str) -> None:
    scales, target, exchange, gas = setup(ENTRIES[number])
    u = jnp.asarray(np.random.default_rng(number).random((4, 100_000)))
    _, weight = weights(u, scales, jnp.asarray(HELICITIES[helicity]), target, exchange, gas)
    weight = 1e-38 * np.asarray(weight)
    expected = ENTRIES[number]["value_cm2_per_nucleon"][helicity]
    assert abs(weight.mean() - expected) < 4 * weight.std() / np.sqrt(weight.size)
    assert weight.std() / weight.mean() < 3
    assert np.all(weight > 0)  # blocking is in the ranges, not in rejected events


class Made(NamedTuple):
    """Four-vectors of events."""

    neutrino: FourVector
    n4: FourVector
    struck: FourVector
    recoil: FourVector
    remnant: FourVector


def events(number: int, n: int = 2000) -> tuple[fermi_gas.Kinematics, Made, Any]:
    scales, target, exchange, gas = setup(ENTRIES[number])
    u = jnp.asarray(np.random.default_rng(5).random((4, n)))
    x, _ = weights(u, scales, -ONE, target, exchange, gas)
    axis = Vector(*(jnp.full(n, c) for c in (0.36, -0.48, 0.8)))
    nucleus = jnp.asarray(11.1749)
    energy, across, parallel = fermi_gas.n4_momentum(x, scales[1])
    n4 = along(axis, across * jnp.cos(7 * u[1]), across * jnp.sin(7 * u[1]), parallel)
    made = fermi_gas.momenta(x, axis, n4, target.mass, nucleus, gas)
    return x, Made(four(x.energy, axis.scale(x.energy)), four(energy, n4), *made), (scales, target, gas)


def mass2(p: FourVector) -> np.ndarray[Any, Any]:
    return np.asarray(p.dot(p))


@pytest.mark.parametrize("number", [0, 11, 24])
def test_four_momenta(number: int) -> None:
    x, p, ((_, m), target, gas) = events(number)
    mass = float(target.mass)
    for a, b, c in zip(p.neutrino.plus(p.struck), p.n4, p.recoil, strict=True):
        np.testing.assert_allclose(a, b + c, atol=1e-14)
    np.testing.assert_allclose(p.struck.e + p.remnant.e, 11.1749, rtol=1e-15)
    for a, b in zip(p.struck.p, p.remnant.p, strict=True):
        np.testing.assert_allclose(a, -b, atol=1e-16)
    np.testing.assert_allclose(mass2(p.neutrino), 0, atol=1e-14)
    np.testing.assert_allclose(mass2(p.n4), float(m) ** 2, atol=1e-13)
    np.testing.assert_allclose(mass2(p.recoil), mass**2, rtol=1e-12)
    on_shell = (p.struck.e + gas.removal_energy) ** 2 - p.struck.p.dot(p.struck.p)
    np.testing.assert_allclose(on_shell, mass**2, rtol=1e-12)
    np.testing.assert_allclose(2 * p.neutrino.dot(p.n4) - m**2, x.q2, rtol=1e-9)
    assert np.all(p.struck.p.norm() < gas.momentum * (1 + 1e-12))
    assert np.all(p.recoil.p.norm() > gas.momentum * (1 - 1e-12))


def test_a_recoil_along_the_neutrino_balances() -> None:
    """N exactly along the neutrino: the azimuth has no meaning, the four-momenta still balance."""
    _, _, (_, target, gas) = events(0, 1)
    energy, nucleon = jnp.asarray([1.0]), jnp.asarray([float(target.mass) + 0.02])
    zero, one = jnp.zeros(1), jnp.ones(1)
    omega, n4 = jnp.asarray([0.04]), jnp.asarray([0.85])
    q2 = (energy - n4) ** 2 - omega**2
    x = fermi_gas.Kinematics(energy, q2, omega, nucleon, jnp.asarray([0.3]))
    made = fermi_gas.momenta(x, Vector(zero, zero, one), Vector(zero, zero, n4), target.mass, jnp.asarray(11.0), gas)
    np.testing.assert_allclose(mass2(made.recoil), float(target.mass) ** 2, rtol=1e-12)
    np.testing.assert_allclose(made.recoil.z - made.struck.z, energy - n4, rtol=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_threshold_and_range_of_q2_are_where_events_begin(seed: int) -> None:
    """Against a scan of Q^2: somewhere an omega is open just above the threshold, nowhere just below; bounds exact."""
    rng = np.random.default_rng(seed)
    m, p_f, e_b = rng.uniform(0.001, 1.0), rng.uniform(0.05, 0.3), rng.choice([0.0, 0.03, 0.06])
    gas = FermiGas(*numbers(p_f, e_b))
    least = float(fermi_gas.threshold(jnp.asarray(m), jnp.asarray(0.938), gas))
    for energy in least * np.array([1 - 1e-4, 1 + 1e-4, 1.3, 20]):
        q2 = np.geomspace(1e-9, 4 * energy**2 + 1, 20001)
        low, _, _ = fermi_gas.gas_limits(jnp.asarray(q2), jnp.asarray(0.938), gas)
        y = q2 + m * m
        opened = energy * q2 / y - y / (4 * energy) > np.asarray(low)
        e, m_n, mass = numbers(energy, m, 0.938)
        bounds = [float(b) for b in fermi_gas.q2_range(e, m_n, mass, gas)]
        assert not opened.any() or energy > least
        if energy > 1.01 * least:
            step = np.log(q2[1] / q2[0])
            found = q2[opened][[0, -1]]
            np.testing.assert_allclose(np.log(found), np.log(np.maximum(bounds, 1e-9)), rtol=0, atol=1.01 * step)
        elif energy > least:
            assert bounds[1] > bounds[0]


def test_kinematics_come_back_from_four_momenta() -> None:
    x, p, (_, _, gas) = events(3)
    back = fermi_gas.kinematics(p.neutrino, p.struck, p.recoil, gas)
    for name in ("energy", "q2", "omega", "nucleon_energy"):
        np.testing.assert_allclose(getattr(back, name), getattr(x, name), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(np.cos(back.azimuth), np.cos(x.azimuth), atol=1e-6)
    np.testing.assert_allclose(np.sin(back.azimuth), np.sin(x.azimuth), atol=1e-6)


def test_products_are_those_of_the_four_momenta() -> None:
    """The density from four-vectors: the contraction of the two tensors written out with explicit spin vectors."""
    x, p, (scales, target, gas) = events(6, 50)
    _, _, exchange, _ = setup(ENTRIES[6])
    energy, m = scales
    n4 = np.stack([np.asarray(c) for c in p.n4])
    k1, p4 = (np.stack([np.asarray(c) for c in v]) for v in (p.neutrino, p.recoil))
    p2 = np.stack([np.asarray(c) for c in p.struck]) + np.array([[float(gas.removal_energy)], [0], [0], [0]])
    metric = np.diag([1.0, -1, -1, -1])

    def dot(a: Any, b: Any) -> Any:
        return np.einsum("in,ij,jn->n", a, metric, b)

    momentum = np.linalg.norm(n4[1:], axis=0)
    spin = np.concatenate([momentum[None], n4[0] * n4[1:] / momentum]) / float(m)
    q2_tilde = -dot(p4 - p2, p4 - p2)
    form = upscattering.effective_form_factors(x.q2, exchange.m_zprime, target, exchange.vertices)
    f1, f2 = np.asarray(form.f1), np.asarray(form.f2)
    mass2_ = float(target.mass) ** 2
    total_p, q = p2 + p4, p4 - p2
    w1, w2 = (f1 + f2) ** 2, f1**2 + q2_tilde / (4 * mass2_) * f2**2
    hadron = 2 * w2 * np.einsum("in,jn->ijn", total_p, total_p) - 2 * w1 * (
        np.einsum("in,jn->ijn", q, q) + q2_tilde * np.linalg.inv(metric)[..., None]
    )
    for h in (-1.0, 1.0):
        big_k = n4 - h * float(m) * spin
        lepton = np.einsum("in,jn->ijn", big_k, k1)
        lepton = lepton + lepton.transpose(1, 0, 2) - metric[..., None] * dot(big_k, k1)
        amplitude2 = np.einsum("ijn,ik,jl,kln->n", lepton, metric, metric, hadron)
        norm = 3 / (4 * np.pi * float(gas.momentum) ** 3) * 3.8937937217e10 / (64 * np.pi * float(energy) ** 2)
        expected = 0.5 * amplitude2 * norm / np.linalg.norm((k1 - n4)[1:], axis=0)
        found = DENSITY(x, m, jnp.asarray(h), target, gas, exchange)
        np.testing.assert_allclose(found, expected, rtol=1e-8 if h < 0 else 1e-6)


@pytest.mark.parametrize("helicity", [-1.0, 1.0])
@pytest.mark.parametrize("chirality", [-1.0, 1.0])
def test_a_gas_without_momentum_is_a_free_nucleon(helicity: float, chirality: float) -> None:
    """Conserving: identical. Flipping differs by the frame of the helicity unless both are summed."""
    (energy, m), target, exchange, _ = setup(ENTRIES[13])
    vertices = exchange.vertices._replace(weak_lepton=jnp.asarray(0.3), weak_hadron=jnp.asarray(40.0))
    exchange = exchange._replace(vertices=vertices, chirality=jnp.asarray(chirality))
    gas = FermiGas(*numbers(1e-3, 0.0))
    q2 = jnp.asarray([0.05, 0.1, 0.2, 0.4, 0.6])
    (h,) = numbers(helicity)
    if helicity < 0:
        total = (-1.0, 1.0)
        bound = sum(DSIGMA(energy, q2, m, jnp.asarray(f), target, gas, exchange) for f in total)
        free = sum(FREE(exchange, energy, q2, m, jnp.asarray(f), target) for f in total)
        np.testing.assert_allclose(bound, free, rtol=2e-4)
    else:
        light = jnp.asarray(1e-4)
        bound = DSIGMA(energy, q2, light, h, target, gas, exchange)
        conserving = DSIGMA(energy, q2, light, -h, target, gas, exchange)
        assert np.all(np.asarray(bound) < 1e-6 * np.asarray(conserving))


def test_blocking_removes_small_momentum_transfers() -> None:
    (energy, _), target, exchange, gas = setup(ENTRIES[1])
    gas = gas._replace(removal_energy=jnp.asarray(0.0))
    light, h = jnp.asarray(1e-3), -ONE
    q2 = jnp.asarray([1e-6, 1e-5, 1e-4, 3e-4, 1e-3])
    ratio = DSIGMA(energy, q2, light, h, target, gas, exchange) / FREE(exchange, energy, q2, light, h, target)
    # a gas at rest: 3|q|/4p_F; motion changes the flux seen by the nucleons, not the linear law
    np.testing.assert_allclose(ratio / fermi_gas.pauli_response(q2, target.mass, gas.momentum), 1.0, atol=0.1)
    assert ratio[0] < 0.005


def test_closed_channels_are_zero_and_finite() -> None:
    _, target, exchange, gas = setup(ENTRIES[0])
    (m,) = numbers(0.4)
    least = float(fermi_gas.threshold(m, target.mass, gas))
    u = jnp.asarray(np.random.default_rng(2).random((4, 64)))
    for energy in (0.01, 0.3, 0.999 * least, 0.5, 0.8):
        args = (u, [jnp.asarray(energy), m], -ONE, target, exchange, gas)
        x, weight = weights(*args)
        assert all(np.all(np.isfinite(c)) for c in (*x, weight))
        assert np.all(np.asarray(weight) >= 0)
        assert bool(np.any(np.asarray(weight) > 0)) == (energy > least)
        assert (energy < least) <= (float(TOTAL(args[1][0], m, -ONE, target, gas, exchange)) == 0.0)


def test_gradient_of_the_weight_is_that_of_finite_differences() -> None:
    scales, target, exchange, gas = setup(ENTRIES[4])
    u = jnp.asarray(np.random.default_rng(3).random((4, 16)))

    @jax.jit
    def mean(m: jax.Array) -> jax.Array:
        return jnp.mean(weights(u, [scales[0], m], -ONE, target, exchange, gas)[1])

    step = 1e-6
    difference = (mean(scales[1] + step) - mean(scales[1] - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(mean)(scales[1]), difference, rtol=1e-5)


def test_compiled_is_eager() -> None:
    scales, target, exchange, gas = setup(ENTRIES[4])
    u = jnp.asarray(np.random.default_rng(4).random((4, 7)))
    compiled = weights(u, scales, ONE, target, exchange, gas)
    with jax.disable_jit():
        eager = weights(u, scales, ONE, target, exchange, gas)
    for a, b in zip(jax.tree.leaves(compiled), jax.tree.leaves(eager), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
