"""Densities of cascades, of a flying Z' and of a line shape: each is, at the event that a stage made of uniform numbers
u, the factor of the stage times |du/dx|.

For flights and masses dx/du is the derivative of the sampler by automatic differentiation: a density that is another
than that of the sampling fails by its own size, event by event, without statistics. Angles are drawn from one of three
densities each: there the amplitude is written out, and the mean over the sampling fixes its size.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import PULL
from numpy.typing import NDArray
from scipy.integrate import quad

from darkhorn.generator.chain import Chain, Params, Stage, State
from darkhorn.generator.processes.dark_neutrino_cascade import (
    ESCAPE_FORCED,
    SECOND_FORCED,
    SECOND_FREE,
    second_decay,
)
from darkhorn.generator.processes.dark_neutrino_displaced import BACKTRACK_FLIGHTS, FLIGHTS_FORCED, FLIGHTS_FREE
from darkhorn.generator.processes.dark_neutrino_line_shape import LINE_SHAPE, at_mass, line_shape
from darkhorn.generator.processes.dark_neutrino_stages import FIRST_DECAY
from darkhorn.generator.stages import DECAY_FORCED, DECAY_FREE
from darkhorn.geometry.volumes import Box
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonModel
from darkhorn.kernels.matrix_elements.radiative_decay import moment_dilepton
from darkhorn.kernels.matrix_elements.scalar_decays import ScalarDilepton
from darkhorn.kernels.matrix_elements.upscattering import Target

Real = NDArray[np.float64]
N = 12
CELL = 1e-6  # cm: so short that the probability of a cell is the density times its length
M6, M5, M4, LEPTON = 0.3, 0.2, 0.05, 0.000511
CENTRE, HALF = np.array([0.0, 0.0, 10.0]), np.array([100.0, 90.0, 300.0])
SHARES = {"daughter_pdg": jnp.asarray([12, 14, -14]), "flavour_share": jnp.asarray([0.2, 0.5, 0.3])}


def scalars(**values: float) -> dict[str, jax.Array]:
    return {name: jnp.asarray(value, jnp.float64) for name, value in values.items()}


def momentum(rng: np.random.Generator, role: str, mass: float | Real, size: float, n: int = N) -> dict[str, Real]:
    p = rng.normal(scale=size, size=(n, 3))
    energy = np.sqrt(mass**2 + np.sum(p**2, axis=1))
    return {f"{role}_e": energy, **{f"{role}_p{axis}": p[:, i] for i, axis in enumerate("xyz")}}


def place(rng: np.random.Generator, name: str, n: int = N) -> dict[str, Real]:
    inside = CENTRE + HALF * rng.uniform(-0.9, 0.9, (n, 3))
    return {f"{name}_{axis}": inside[:, i] for i, axis in enumerate("xyz")}


def columns(*parts: dict[str, Real]) -> State:
    return {name: jnp.asarray(value) for part in parts for name, value in part.items()}


def common() -> Params:
    return {
        "target": Target(*[jnp.asarray(37.2)] * len(Target._fields)),
        "decay_region": Box(jnp.asarray(CENTRE), jnp.asarray(HALF)),
        "flight_resolution": jnp.asarray(CELL),
    }


def cascade(
    rng: np.random.Generator, mediator: str = "vector", boson: float = 0.25, n: int = N
) -> tuple[Params, State]:
    """A produced N6 that has decayed to N5 and what is seen, each with other momenta, and the numbers of the second
    decay, by a boson of mass `boson`.
    """
    step = scalars(m_n=M5, m_j=M4, m_zprime=boson, m_scalar=boson, m_lepton=LEPTON, majorana=0.0, polarised=1.0)
    masses = scalars(m=M5, m_j=M4, m_vector=boson, width_vector=0.03, m_lepton=LEPTON)
    numbers = {**masses, **scalars(coupling=1.0, lepton_coupling=1e-3, majorana=0.0)}
    dilepton: DileptonModel = (ScalarDilepton if mediator == "scalar" else DileptonModel)(**numbers)
    if mediator == "dipole":
        dilepton = moment_dilepton(*scalars(m=M5, m_j=M4, m_lepton=LEPTON, moment=1.0, majorana=0.0).values())
    second = {**step, **scalars(width_n=1e-12, branching=0.3, ctau_n=60.0), **SHARES, "dilepton": dilepton}
    params = {
        **common(),
        **scalars(m_n=M6, m_j=M5, m_lepton=LEPTON, helicity=-1.0, helicity_frame=1.0, polarised=1.0, ctau_n=20.0),
        "second": second,
        "later": scalars(branching=0.7, ctau_n=60.0),
    }
    neutrino = momentum(rng, "nu", 0.0, 1.0, n)
    made = {"n4": M6, "nu_out": M5, "em": LEPTON, "ep": LEPTON, "gamma": 0.0}
    first = [momentum(rng, role, mass, 0.2, n) for role, mass in made.items()]
    known = {"energy": neutrino["nu_e"], "decay_t": np.zeros(n)}
    return params, columns(neutrino, known, place(rng, "scatter", n), place(rng, "decay", n), *first)


def drawn_once(stage: Stage, params: Params, state: State, rng: np.random.Generator) -> tuple[State, Real]:
    """(the events, their factors)."""
    u = jnp.asarray(rng.uniform(size=(len(stage.dims), len(state["energy"]))))
    new, factor = jax.jit(lambda u: stage.run(params, state, list(u)))(u)
    assert factor is not None
    return {**state, **new}, np.broadcast_to(np.asarray(factor), u.shape[1:])


def density(stage: Stage, params: Params, state: State) -> Real:
    assert stage.density is not None
    return np.asarray(jax.jit(stage.density)(params, state))


# -------------------------------------------------------------------------------------------------- second decays
def array(state: State, role: str) -> Real:
    return np.stack([np.asarray(state[f"{role}_{component}"]) for component in ("e", "px", "py", "pz")])


def dot(a: Real, b: Real) -> Real:
    return a[0] * b[0] - np.sum(a[1:] * b[1:], axis=0)


def by_vector(chiral: Real, negative: Real, positive: Real) -> Real:
    """Q of `daughter_spin`: |M|^2 of N -> daughter l- l+ is Q.k, up to a factor and the propagator."""
    return (
        dot(chiral, negative) * positive
        + dot(chiral, positive) * negative
        + LEPTON * LEPTON * chiral
    )  # fmt: skip


def by_virtual_photon(chiral: Real, negative: Real, positive: Real) -> Real:
    """The same for a magnetic moment, with the propagator."""
    q, made = negative + positive, by_vector(chiral, negative, positive)
    return (2 * dot(q, made) * q - dot(q, q) * made) / dot(q, q) ** 2


def chiral_daughter(state: State, mediator: str, made_by: str) -> Real:
    """K = P + o m pol S of the daughter of the first decay, in the frame of the detector: S.S = -1 is |pol|^2, S.P = 0.

    With Q of the first parent |M|^2 ~ Q.(k - m_k s): m_k s_k = m_k^2 Q/(Q.k) - k.
    """
    parent, total = array(state, "n4"), array(state, "nu")
    total = total + np.array([37.2, 0.0, 0.0, 0.0])[:, None]
    # helicity -1 in the frame of `total`: S = (P (P.T)/m - m T)/sqrt((P.T)^2 - m^2 T.T), against which it is polarised
    invariant = dot(parent, total)
    spin = (parent * invariant / M6 - M6 * total) / np.sqrt(invariant**2 - M6**2 * dot(total, total))
    orientation = -1.0 if mediator == "vector" else 1.0
    chiral = parent - orientation * M6 * spin
    negative, positive, daughter = (array(state, role) for role in ("em", "ep", "nu_out"))
    q = chiral
    if made_by == "photon":
        q = array(state, "gamma")
    elif mediator == "vector":
        q = by_vector(chiral, negative, positive)
    elif mediator == "dipole":
        q = by_virtual_photon(chiral, negative, positive)
    polarised = M5**2 * q / dot(q, daughter) - daughter  # m_k times the polarisation
    return daughter + orientation * polarised


def of_flights(*ends: tuple[str, str]) -> Callable[[State], jax.Array]:
    def found(state: State) -> jax.Array:
        squares = (sum((state[f"{b}_{c}"] - state[f"{a}_{c}"]) ** 2 for c in "xyz") for a, b in ends)
        return jnp.stack([jnp.sqrt(square) for square in squares])

    return found


def drawn(
    stage: Stage, params: Params, state: State, coordinates: Callable[[State], jax.Array], rng: np.random.Generator
) -> tuple[State, Real]:
    """(the events, factor x |du/dx|): what the stage samples, times the weight that it gives."""
    u = jnp.asarray(rng.uniform(0.05, 0.95, (len(stage.dims), N)))

    @jax.jit
    def of(u: jax.Array) -> Any:
        def run(u: jax.Array) -> tuple[jax.Array, tuple[State, jax.Array]]:
            new, factor = stage.run(params, state, list(u))
            whole = jnp.broadcast_to(jnp.ones(()) if factor is None else factor, (N,))
            return coordinates({**state, **new}), (new, whole)

        slopes = jax.vmap(lambda i: jax.jvp(lambda u: run(u)[0], (u,), (jnp.zeros_like(u).at[i].set(1.0),))[1])(
            jnp.arange(len(stage.dims))
        )
        return run(u)[1], jnp.abs(jnp.linalg.det(jnp.moveaxis(slopes, -1, 0)))

    (new, factor), jacobian = of(u)
    return {**state, **new}, np.asarray(factor / jacobian)


SECOND = {  # mediator, how the first decay went, how the second goes, mass of the boson
    "Z' on shell": ("vector", "vector", "vector", 0.06),
    "Z' virtual": ("vector", "pair", "pair", 0.25),
    "photon after photon": ("dipole", "photon", "photon", 0.0),
    "photon after pair": ("dipole", "pair", "photon", 0.0),
    "pair after photon": ("dipole", "photon", "pair", 0.0),
    "pair after pair": ("dipole", "pair", "pair", 0.0),
    "h' on shell": ("scalar", "scalar", "scalar", 0.06),
    "h' virtual": ("scalar", "pair", "pair", 0.25),
}
FEW_SECOND = ("photon after pair", "h' on shell")


@pytest.mark.parametrize("kind", [pytest.param(k, marks=[pytest.mark.slow] * (k not in FEW_SECOND)) for k in SECOND])
def test_the_density_of_a_second_decay_is_that_of_the_amplitude_and_of_the_sampling(
    kind: str, rng: np.random.Generator
) -> None:
    """Its shape is |M|^2 times phase space, from momenta in the frame of the detector; and the mean of factor/density
    over what is sampled is the volume of the coordinates (pull: once in a million runs).
    """
    mediator, made_by, step, boson = SECOND[kind]
    stage = second_decay(mediator, made_by, step)
    params, state = cascade(rng, mediator, boson, 4000)
    event, factor = drawn_once(stage, params, state, rng)
    found = density(stage, params, event)
    daughter = array(event, "second_out")
    share = np.asarray(SHARES["flavour_share"])[np.searchsorted([-14, 12, 14], event["second_out_pdg"]) - 1]
    extra: Any = 1.0
    if step == "photon":
        volume, photon = 3 * 4 * np.pi, array(event, "gamma2")

        def squared(chiral: Real) -> Real:
            return dot(chiral, photon)

    else:
        volume = 3 * (4 * np.pi) ** 2
        negative, positive = (array(event, role) for role in ("em2", "ep2"))
        pair = negative + positive
        square = dot(pair, pair)
        if step == "pair":
            momentum_of_daughter = np.sqrt(np.maximum((dot(daughter, pair) ** 2 - M4**2 * square), 0.0))
            extra = momentum_of_daughter * np.sqrt(1 - 4 * LEPTON**2 / square)
            if boson:
                extra = extra / ((square - boson**2) ** 2 + (boson * 0.03) ** 2)
                volume *= (M5 - M4) ** 2 - 4 * LEPTON**2
            else:
                volume *= np.log((M5 - M4) ** 2 / (4 * LEPTON**2))

        def squared(chiral: Real) -> Real:
            if mediator == "scalar":
                return dot(chiral, daughter) * (square - 4 * LEPTON**2)
            spin = by_vector if mediator == "vector" else by_virtual_photon
            return dot(spin(chiral, negative, positive), daughter)

    def spread(chiral: Real) -> float:
        ratio = found / (squared(chiral) * extra * share)
        return float(np.max(np.abs(ratio / np.median(ratio) - 1)))

    assert spread(chiral_daughter(event, mediator, made_by)) < 1e-5
    assert spread(array(event, "nu_out")) > 0.3  # without the spin that the daughter takes over
    if kind.startswith("pair after"):  # in d ln q^2, in which the weights of a photon vary least
        found = found * square
    each = factor / found / volume
    assert abs(each.mean() - 1) < PULL * each.std() / np.sqrt(len(each))
    assert each.std() < 1.5  # a density that is 10 % off is seen


@pytest.mark.parametrize("stage", [SECOND_FORCED, SECOND_FREE], ids=["forced", "free"])
def test_the_density_of_a_second_flight_is_that_of_its_sampling(stage: Stage, rng: np.random.Generator) -> None:
    params, state = cascade(rng)
    event, wanted = drawn(stage, params, state, of_flights(("decay", "decay2")), rng)
    np.testing.assert_allclose(density(stage, params, event) / CELL, wanted, rtol=1e-4)
    longer = {**params, "second": {**params["second"], "ctau_n": jnp.asarray(66.0)}}
    assert np.max(np.abs(density(stage, longer, event) / CELL / wanted - 1)) > 0.02


def test_what_does_not_decay_twice_escapes(rng: np.random.Generator) -> None:
    """The probability of a second decay inside and that of an escape add up to 1."""
    params, state = cascade(rng)
    _, inside = drawn_once(SECOND_FORCED, params, state, rng)
    np.testing.assert_allclose(density(ESCAPE_FORCED, params, state), 1 - 0.7 * inside, rtol=1e-12)
    assert 0.05 < inside.mean() < 0.95


# ------------------------------------------------------------------------------------------------------- flying Z'
def flying(rng: np.random.Generator) -> tuple[Params, State]:
    params = {**common(), **scalars(m_n=0.1, ctau_n=5.0, m_zprime=0.03, ctau_zprime=2.0)}
    known = {"energy": np.full(N, 1.0), "decay_t": np.zeros(N)}
    return params, columns(
        known, place(rng, "scatter"), momentum(rng, "n4", 0.1, 0.5), momentum(rng, "zprime", 0.03, 0.5)
    )


TWO = of_flights(("scatter", "decay"), ("decay", "zprime_decay"))


def backwards(rng: np.random.Generator) -> tuple[Params, State]:
    """Born so far away that the beam does not spread; the neutrino flies along z until it is known."""
    params, state = flying(rng)
    birth = {"birth_x": np.zeros(N), "birth_y": np.zeros(N), "birth_z": np.full(N, -1e9)}
    beam = {"parallel": jnp.asarray(0.0), "axes": jnp.eye(3)}
    far = Box(jnp.asarray(CENTRE), jnp.asarray([3e3, 3e3, 3e3]))
    return {**params, "region": far, "beam": beam}, {**state, **columns(place(rng, "decay"), birth)}


@pytest.mark.parametrize("stage", [FLIGHTS_FORCED, FLIGHTS_FREE, BACKTRACK_FLIGHTS], ids=["forced", "free", "backward"])
def test_the_density_of_two_flights_is_that_of_their_sampling(stage: Stage, rng: np.random.Generator) -> None:
    params, state = (backwards if stage is BACKTRACK_FLIGHTS else flying)(rng)
    event, wanted = drawn(stage, params, state, TWO, rng)
    reached = wanted > 0
    assert reached.sum() >= 4
    np.testing.assert_allclose(density(stage, params, event)[reached] / CELL**2, wanted[reached], rtol=1e-3)
    longer = {**params, "ctau_zprime": jnp.asarray(2.2)}
    assert np.max(np.abs(density(stage, longer, event)[reached] / CELL**2 / wanted[reached] - 1)) > 0.02


def test_backwards_all_momenta_turn_together(rng: np.random.Generator) -> None:
    """Also those of the nucleon of a Fermi gas and of what is left of its nucleus."""
    params, state = backwards(rng)
    state |= columns(momentum(rng, "struck", 0.9, 0.2), momentum(rng, "remnant", 36.0, 0.2))
    state |= {"birth_x": jnp.full(N, 4e4), "birth_z": jnp.full(N, -5e4)}  # a neutrino that does not fly along z
    turned, _ = drawn_once(BACKTRACK_FLIGHTS, params, state, rng)
    before, after = ({r: array(s, r)[1:] for r in ("n4", "zprime", "struck", "remnant")} for s in (state, turned))
    for role, p in before.items():
        assert np.min(np.linalg.norm(after[role] - p, axis=0)) > 1e-3
        for other, q in before.items():
            products = np.sum(after[role] * after[other], axis=0)
            np.testing.assert_allclose(products, np.sum(p * q, axis=0), atol=1e-12)


# ---------------------------------------------------------------------------------------------- sums over flights
GRID = 300


@pytest.mark.parametrize("kind", ["cascade", "flying"])
def test_the_sum_over_flights_is_what_free_flights_give(kind: str, rng: np.random.Generator) -> None:
    """The integral of the forced densities, by the chain, against the share of free flights that end inside."""
    params, state = (cascade if kind == "cascade" else flying)(rng)
    forced, free, flag = {
        "cascade": ((DECAY_FORCED, SECOND_FORCED), (DECAY_FREE, SECOND_FREE), "decay2_inside"),
        "flying": ((FLIGHTS_FORCED,), (FLIGHTS_FREE,), "zprime_decay_inside"),
    }[kind]
    start = {"flight": jnp.zeros(N), "decay_t": jnp.zeros(N)}
    event = {**state, **start}
    for stage in forced:
        event |= stage.run(params, event, [jnp.full(N, 0.5)] * len(stage.dims))[0]
    _, expected = jax.jit(Chain(forced).densities)(params, event)
    total = np.prod([np.asarray(value) for value in expected.values()], axis=0)
    middle = (np.arange(GRID) + 0.5) / GRID
    u = [jnp.asarray(v) for v in np.stack(np.meshgrid(middle, middle)).reshape(2, -1)]

    @jax.jit
    def share(one: State) -> jax.Array:
        made, rest = {key: jnp.broadcast_to(v, u[0].shape) for key, v in one.items()}, list(u)
        inside = jnp.ones(u[0].shape)
        for stage in free:
            made |= stage.run(params, made, rest[: len(stage.dims)])[0]
            rest = rest[len(stage.dims) :]
        for name in {"cascade": ("decay_inside", flag), "flying": (flag,)}[kind]:
            inside = inside * made[name].astype(inside.dtype)
        return jnp.mean(inside)

    wanted = np.asarray(jax.lax.map(share, {**state, **start}))
    assert 0.02 < wanted.mean() < 0.95
    np.testing.assert_allclose(total, wanted, atol=0.02)
    assert abs(total.mean() - wanted.mean()) < 0.004


# ------------------------------------------------------------------------------------------------------ line shape
def broad(rng: np.random.Generator) -> tuple[Params, State]:
    numbers = scalars(m_j=0.1, m_zprime=0.06, m_lepton=LEPTON, majorana=0.0, polarised=1.0, helicity=-1.0)
    m, m_j, mz, zero = (jnp.asarray(x) for x in (0.2, 0.1, 0.06, 0.0))
    shape = jax.jit(line_shape)(m, jnp.asarray(0.034), m_j[None], jnp.asarray([2.0]), m_j + mz, zero, mz)
    shape |= {"chosen": jnp.ones(1), "zprime_branching": jnp.asarray(0.8)}
    params = {**common(), **numbers, **SHARES, "shape": shape, "helicity_frame": jnp.asarray(1.0)}
    neutrino = momentum(rng, "nu", 0.0, 1.0)
    return params, columns(neutrino, {"energy": neutrino["nu_e"]})


def breit_wigner(mass: Real) -> Real:
    """rho of the docstring of `dark_neutrino_line_shape` for `broad`: the width written out, the norm by scipy."""

    def spectrum(mu: Real) -> Real:
        r2, x = (0.1 / mu) ** 2, (0.06 / mu) ** 2
        root = np.sqrt(np.maximum(1 + r2**2 + x**2 - 2 * (r2 + x + r2 * x), 0.0))
        width = 4.0 * mu**3 / (32 * np.pi * 0.06**2) * root * ((1 - r2) ** 2 + x * (1 + r2) - 2 * x * x)
        return mu * width / ((mu**2 - 0.04) ** 2 + mu**2 * width**2) / np.pi

    inner, _ = quad(lambda mu: 2 * mu * spectrum(mu), 0.16, 0.5, points=[0.19, 0.2, 0.21], limit=200)
    outer, _ = quad(lambda y: 2 * spectrum(1 / y) / y**3, 1e-9, 2.0, limit=200)
    return spectrum(mass) / (inner + outer)


def test_the_density_of_a_drawn_mass_is_that_of_its_sampling(rng: np.random.Generator) -> None:
    params, state = broad(rng)
    event, wanted = drawn(LINE_SHAPE, params, state, lambda made: made["n4_mass"][None] ** 2, rng)
    np.testing.assert_allclose(density(LINE_SHAPE, params, event), wanted, rtol=1e-9)
    np.testing.assert_allclose(wanted, breit_wigner(np.asarray(event["n4_mass"])), rtol=1e-5)
    # and the decay is that of a state of this mass, whatever the masses of the other events
    mass = np.asarray(event["n4_mass"])
    assert np.ptp(mass) > 0.01
    event |= columns(momentum(rng, "n4", mass, 0.5))
    made, factor = drawn_once(at_mass(FIRST_DECAY["vector"]), params, event, rng)
    found = density(at_mass(FIRST_DECAY["vector"]), params, made)
    assert FIRST_DECAY["vector"].density is not None
    of_one = jax.jit(FIRST_DECAY["vector"].density)
    for i in range(3):
        fixed = {**params, "m_n": made["n4_mass"][i], "branching": jnp.asarray(factor[i])}
        values = np.asarray(of_one(fixed, made))
        assert values[i] == pytest.approx(found[i], rel=1e-12)
        assert abs(values[i - 1] / found[i - 1] - 1) > 1e-4
