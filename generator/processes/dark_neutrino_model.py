"""Dark neutrinos: masses, couplings and widths as pure functions of the model's parameters.

There are one to three heavy neutral leptons, N4, N5, N6, in order of mass, and a Z'. `model` is a pytree of arrays: the
masses m4, m5, m6 (those there are) and mzprime in GeV, mixing_sq (k, 3) of the k states with e, mu, tau, dark_charge
(k,), their mixings U_D with the dark flavour, shared_flavour (0 or 1), epsilon, gD, majorana (0 or 1), and `vertices`,
those that the card gives in place of what these make. What is known before compilation is in `Scheme`. The same
functions serve the host (widths, header) and the compiled chain (gradients, scans).
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Params
from darkhorn.generator.processes.dark_neutrino_states import (
    FINALS,
    FLAVOURS,
    LEPTONS,
    STATES,
    States,
    Transition,
    Transitions,
    Widths,
    mass_key,
    masses_of,
    root,
    states_in,
    total_width,
)
from darkhorn.kernels.constants import ELECTRIC_CHARGE, HBAR_C, MASS_PION, WEAK_NEUTRAL_COUPLING
from darkhorn.kernels.errors import InputError, PhysicsWarning
from darkhorn.kernels.flight import ctau
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonModel
from darkhorn.kernels.matrix_elements.exchange import VectorExchange
from darkhorn.kernels.matrix_elements.neutral_decays import (
    width_three_neutrinos,
    width_through_vector,
    width_to_vector,
    width_vector_to_pair,
    width_weak_dilepton,
)
from darkhorn.kernels.matrix_elements.upscattering import Vertices
from darkhorn.kernels.matrix_elements.vector_hadrons import width_through_vector_to_hadrons, width_vector_to_hadrons

NARROW = 100.0
MASSLESS_PAIR = 1e-6  # GeV: where the integral over the mass of a neutrino pair begins
FIRST_HADRONS = 0.134  # GeV: no hadronic final state of a vector below m_pi0
DISPLACED = 0.1  # cm: mean flight of a Z' of 1 GeV from which it is generated; wires of a detector are 3 mm apart
RESOLVED = 1e-6  # width over mass from which a line shape can be generated
BROAD = 0.01  # width over mass from which a state is told to be broad


@dataclass(frozen=True)
class Scheme(States):
    """As `States`, for a Z'; it is `displaced` where it flies more than DISPLACED on average at 1 GeV, unless
    `physics.zprime_flight` says; line shapes are those of `physics.line_shape`.

    hadrons   the Z' is heavy enough for hadrons
    virtual_hadrons  a virtual Z' has room for two pions in a transition; below, R < 2e-5 is left out (slow to compile)
    """

    hadrons: bool = True
    virtual_hadrons: bool = True

    mediator: ClassVar[str] = "vector"
    boson: ClassVar[str] = "Zprime"
    symbol: ClassVar[str] = "Z'"

    def widths(self, model: Params) -> Widths:
        """`partial_widths`, compiled."""
        found: Widths = host_widths(model, self)
        return found

    def beam_couplings(self, model: Params) -> jax.Array:
        """`beam_vertices`."""
        return beam_vertices(model)

    def numbers(self, model: Params, transitions: tuple[Transition, ...]) -> Transitions:
        """Masses and couplings of transitions, with the width that a virtual Z' has there."""
        masses = masses_of(model)
        m, m_j = (jnp.stack([masses[self.index(t[side])] for t in transitions]) for side in (0, 1))
        width = jnp.stack([zprime_width_below(model, self, free) for free in m - m_j])
        return Transitions(m, m_j, width, jnp.stack([dark_coupling(model, self, t) for t in transitions]))

    def boson_numbers(self, model: Params, widths: Widths) -> dict[str, jax.Array]:
        """Mass (GeV) and c tau (cm) of the Z'."""
        return {"m_zprime": model["mzprime"], "ctau_zprime": ctau(total_width(widths, "Zprime"))}

    def lepton_couplings(self, model: Params) -> jax.Array:
        """e_V and mu_V."""
        return jnp.stack([matter_vertex(model, f"{FINALS[final]}_V") for final in self.finals])

    def dilepton(
        self, model: Params, numbers: Transitions, m_lepton: jax.Array, lepton_coupling: jax.Array
    ) -> DileptonModel:
        """The decay through a virtual Z'."""
        m, m_j, width, coupling = numbers
        return DileptonModel(m, m_j, model["mzprime"], width, m_lepton, coupling, lepton_coupling, model["majorana"])

    def exchange(self, params: Params) -> VectorExchange:
        """`exchange_of`."""
        return exchange_of(params)


def scheme_of(card: Any) -> Scheme:
    """The scheme of a checked card. Raises InputError where `physics.line_shape` finds no state that has a width.

    The Z' of a transition counts as on shell when it is lighter than the mass difference by more than NARROW of its
    widths; closer to the threshold, or broad, its line shape matters and the formula with the propagator is taken,
    which holds everywhere.
    """
    m = card.model
    masses = {name: getattr(m, mass_key(name)) for name in states_in(m)}
    scheme = Scheme(tuple(masses), hadrons=m.mzprime > FIRST_HADRONS)
    room = {t: masses[t[0]] - masses.get(t[1], 0.0) for t in scheme.transitions}
    if any(m.mzprime < free for free in room.values()):
        every = replace(scheme, on_shell=scheme.transitions)  # its widths need no integral
        width = float(total_width(host_widths(model_of(card), every), "Zprime"))
        found = tuple(t for t in scheme.transitions if room[t] - m.mzprime > NARROW * width)
        at_1_gev = HBAR_C / width / m.mzprime > DISPLACED
        flies = {"always": True, "never": False}.get(card.physics.zprime_flight, at_1_gev)
        scheme = replace(scheme, on_shell=found, displaced=bool(found) and flies)
    free = [room[t] for t in scheme.virtual]
    if m.vertices.n_V and (scheme.hadrons or max(free, default=0.0) > 2 * MASS_PION):
        raise InputError(
            "model.vertices.n_V",
            f"{m.vertices.n_V:g}, where a Z' can decay to hadrons",
            f"only below {1e3 * FIRST_HADRONS:g} MeV",
            "Those decays are known for a Z' that couples to electric charge: remove n_V, or lower the masses.",
        )
    scheme = replace(scheme, virtual_hadrons=max(free, default=0.0) > 2 * MASS_PION)
    if not card.physics.line_shape:
        return scheme
    widths = host_widths(model_of(card), scheme)
    relative = {name: float(total_width(widths, name)) / masses[name] for name in scheme.states}
    broad = tuple(name for name, _ in scheme.on_shell if relative[name] > RESOLVED)
    if not broad:
        ratios = ", ".join(f"{name}: {ratio:.1e}" for name, ratio in relative.items())
        raise InputError(
            "physics.line_shape",
            f"true, with widths over masses {ratios}",
            f"a state that decays to an on-shell Z' with a width above {RESOLVED:g} of its mass",
            "Remove it: these states are on their mass shells.",
        )
    return replace(scheme, broad=tuple(dict.fromkeys(broad)))


def warn_of_limits(model: Params, scheme: Scheme) -> None:
    """Say (PhysicsWarning) where a card leaves what this version describes: a broad N."""
    widths = host_widths(model, scheme)
    for name in scheme.states:
        mass, width = float(model[mass_key(name)]), float(total_width(widths, name))
        if width > BROAD * mass and name not in scheme.broad:
            warnings.warn(
                f"{name} is {1e3 * width:.3g} MeV wide ({100 * width / mass:.2g} % of its mass): it is put on "
                "its mass shell all the same; `physics.line_shape: true` draws its mass",
                PhysicsWarning,
                stacklevel=2,
            )


def model_of(card: Any) -> dict[str, jax.Array]:
    """Parameters of a checked card's model."""
    m = card.model
    states = states_in(m)
    mixing = [[getattr(m, f"u{flavour}{name[1]}_sq") for flavour in FLAVOURS] for name in states]
    numbers = {
        **{mass_key(name): getattr(m, mass_key(name)) for name in states},
        "mzprime": m.mzprime,
        "mixing_sq": mixing,
        "dark_charge": [getattr(m, f"ud{name[1]}") for name in states],
        "shared_flavour": float(m.shared_flavour),
        "epsilon": m.epsilon or 0.0,
        "gD": m.gD,
        "majorana": float(m.hnl == "majorana"),
    }
    given = {name: value for name, value in m.vertices if value is not None}
    arrays: dict[str, Any] = {key: jnp.asarray(value, jnp.float64) for key, value in numbers.items()}
    return {**arrays, "vertices": jax.tree.map(jnp.float64, given)}


def matter_vertex(model: Params, name: str) -> jax.Array:
    """Vertex of Z' with matter, e_V, mu_V, tau_V, p_V or n_V: e epsilon times the charge, or that given."""
    charge = {"p_V": 1.0, "n_V": 0.0}.get(name, -1.0)
    return jnp.asarray(model["vertices"].get(name, ELECTRIC_CHARGE * model["epsilon"] * charge))


def dark_mixing(model: Params) -> jax.Array:
    """a (k, 3): the vertex of the Z' with a neutrino of flavour alpha and state i is g_D a_ia (up to its sign).

    a_ia = U_Di^2 |U_ai|: each state has its own mixing alone. With `shared_flavour` it is U_Di sum_k |U_ak| U_Dk: all
    mix with one dark flavour, and a state is made by the mixings of the others, too (arXiv:2207.04137).
    """
    amplitude, charge = root(model["mixing_sq"]), model["dark_charge"][:, None]
    shared = charge * jnp.sum(amplitude * charge, axis=0, keepdims=True)
    return jnp.where(model["shared_flavour"] > 0, shared, amplitude * charge * charge)


def beam_vertices(model: Params) -> jax.Array:
    """Vertices d (k, 3) of Z' with the states and nu_e, nu_mu, nu_tau: -g_D a_ia (paper notation) or given."""
    made = -model["gD"] * dark_mixing(model)
    states = [name[1] for name in STATES if mass_key(name) in model]
    rows = [
        [model["vertices"].get(f"d_{f}{n}", made[i, k]) for k, f in enumerate(FLAVOURS)] for i, n in enumerate(states)
    ]
    return jnp.stack([jnp.stack(row) for row in rows])


def dark_coupling(model: Params, scheme: Scheme, transition: Transition) -> jax.Array:
    """Vertex daughter-N-Z': g_D U_Di U_Dj for N_i -> N_j, g_D sqrt(sum_alpha a_ia^2) for N_i -> nu; or those given."""
    i, j = (scheme.index(name) for name in transition)
    if transition[1] == "nu":
        return root(jnp.sum(beam_vertices(model)[i] ** 2))
    made = model["gD"] * model["dark_charge"][i] * model["dark_charge"][j]
    return jnp.asarray(model["vertices"].get(f"d_{transition[0][1]}{transition[1][1]}", made))


class Pairs(NamedTuple):
    """Decays of the Z' to two fermions, as `width_vector_to_pair` takes them: (f,) each."""

    m_1: jax.Array
    m_2: jax.Array
    left: jax.Array
    right: jax.Array
    states: jax.Array

    @property
    def lightest(self) -> jax.Array:
        """Mass where the decay opens, GeV."""
        return jnp.maximum(self.m_1 + self.m_2, MASSLESS_PAIR)

    def width(self, m_vector: jax.Array) -> jax.Array:
        """Partial widths, GeV. Shapes: (f,) broadcast with that of m_vector."""
        return width_vector_to_pair(m_vector, *self)

    def wide(self) -> "Pairs":
        """Shape (1, f, 1, 1): for `width_through_vector` of several transitions."""
        return Pairs(*(array[None, :, None, None] for array in self))


def zprime_pairs(model: Params, scheme: Scheme) -> tuple[tuple[str, ...], Pairs]:
    """Names and numbers of the decays of the Z' to charged leptons, light neutrinos and dark states."""
    majorana = model["majorana"]
    zero, one = jnp.zeros_like(majorana), jnp.ones_like(majorana)
    charge = {name: matter_vertex(model, f"{name}_V") for name in LEPTONS}
    rows: dict[str, tuple[jax.Array, ...]] = {
        f"{name}+ {name}-": (one * mass, one * mass, charge[name], charge[name], one) for name, mass in LEPTONS.items()
    }
    light = model["gD"] * jnp.sum(model["mixing_sq"] * model["dark_charge"][:, None] ** 2)
    rows["nu nu"] = (zero, zero, light, zero, one)

    def dark(first: str, second: str) -> tuple[jax.Array, ...]:
        d = dark_coupling(model, scheme, (second, first))
        count = (1.0 if first == second else 2.0) / (1 + majorana)
        masses = [zero if name == "nu" else model[mass_key(name)] for name in (first, second)]
        return (*masses, d, -d * majorana, count)

    for i, second in enumerate(scheme.states):
        for first in scheme.states[: i + 1]:
            rows[f"{first} {second}"] = dark(first, second)
    for state in scheme.states:
        rows[f"nu {state}"] = dark("nu", state)
    return tuple(rows), Pairs(*(jnp.stack(column) for column in zip(*rows.values(), strict=True)))


def zprime_widths(model: Params, scheme: Scheme) -> dict[str, jax.Array]:
    """Partial widths of the Z' in GeV: leptons, hadrons through R(s), light neutrinos, pairs of dark states."""
    names, pairs = zprime_pairs(model, scheme)
    widths = pairs.width(model["mzprime"])
    found = {name: widths[i] for i, name in enumerate(names)}
    if scheme.hadrons:
        found["hadrons"] = width_vector_to_hadrons(model["mzprime"], matter_vertex(model, "p_V"))
    return found


def zprime_width_below(model: Params, scheme: Scheme, room: jax.Array) -> jax.Array:
    """Width (GeV) of the Z' in the propagator of a transition that leaves it the mass `room` (GeV): what it can decay
    to there. Heavier final states do not absorb: the imaginary part of the self-energy at q^2 comes from what is open
    at q^2.
    """
    _, pairs = zprime_pairs(model, scheme)
    total = jnp.sum(jnp.where(pairs.lightest < room, pairs.width(model["mzprime"]), 0.0))
    if scheme.hadrons:
        hadrons = width_vector_to_hadrons(model["mzprime"], matter_vertex(model, "p_V"))
        total = total + jnp.where(room > FIRST_HADRONS, hadrons, 0.0)
    return total


def partial_widths(model: Params, scheme: Scheme) -> Widths:
    """Partial widths (GeV) of every state and of the Z' in every channel; zero where closed. Scalars; differentiable.

    The integrals over virtual Z's are made for all transitions and all pairs of fermions at once, and for hadrons: two
    programs to compile, however many states there are.
    """
    mz, majorana, mixing_sq = model["mzprime"], model["majorana"], model["mixing_sq"]
    found: Widths = {name: {} for name in scheme.states}
    masses = masses_of(model)
    for parent, daughter in scheme.on_shell:
        m, m_j = masses[scheme.index(parent)], masses[scheme.index(daughter)]
        coupling = dark_coupling(model, scheme, (parent, daughter))
        found[parent][f"{daughter} Zprime"] = width_to_vector(m, m_j, mz, coupling, majorana)
    if scheme.virtual:
        names, pairs = zprime_pairs(model, scheme)
        t = scheme.numbers(model, scheme.virtual)
        m, m_j, width, couple = (a[:, None] for a in t)
        through = width_through_vector(
            m, m_j, mz[None, None], width, pairs.lightest[None], couple, majorana[None, None], pairs.wide().width
        )
        for k, (parent, daughter) in enumerate(scheme.virtual):
            for i, name in enumerate(names):
                found[parent][f"{daughter} {name}"] = through[k, i]
        if scheme.virtual_hadrons:
            charge = matter_vertex(model, "p_V")
            hadrons = width_through_vector_to_hadrons(t.m, t.m_j, mz, t.width_boson, t.coupling, charge, majorana)
            for k, (parent, daughter) in enumerate(scheme.virtual):
                found[parent][f"{daughter} hadrons"] = hadrons[k]
    for parent in scheme.states:
        i = scheme.index(parent)
        m, total_mixing = masses[i], jnp.sum(mixing_sq[i])
        for flavour, (name, mass) in enumerate(LEPTONS.items()):
            same = mixing_sq[i, flavour]
            weak = width_weak_dilepton(m, jnp.full_like(m, mass), same, total_mixing - same, majorana)
            found[parent][f"nu {name}+ {name}- (W, Z)"] = weak
        found[parent]["nu nu nu (Z)"] = width_three_neutrinos(m, total_mixing, majorana)
    return {**found, "Zprime": zprime_widths(model, scheme)}


host_widths = jax.jit(partial_widths, static_argnums=1)


def vertices_of(params: Params) -> Vertices:
    """Couplings at both ends of both propagators for a projectile and a scatterer.

    params: `model`; `flavour` (3,), one at the projectile's; `produced` (k,), one at the state that is made; `charge`,
    `neutrons` and `weak_charge` of the scatterer (units e, 1 and g/2c_W; of a nucleon: 1, 0, 1); `z_exchange` (0
    or 1). Both leptonic vertices carry a minus sign (paper notation: d = -g_D U, c = -(g/2c_W) U), so that epsilon > 0
    makes the interference of Z' and Z on nuclei destructive.
    """
    model = params["model"]
    dark, weak = (
        jnp.sum(params["produced"][:, None] * params["flavour"][None] * vertex)
        for vertex in (beam_vertices(model), root(model["mixing_sq"]))
    )
    return Vertices(
        dark,
        matter_vertex(model, "p_V") * params["charge"] + matter_vertex(model, "n_V") * params["neutrons"],
        -WEAK_NEUTRAL_COUPLING * weak * params["z_exchange"],
        WEAK_NEUTRAL_COUPLING * params["weak_charge"],
        matter_vertex(model, "n_V"),
    )


def exchange_of(params: Params) -> VectorExchange:
    """What is exchanged. params: as `vertices_of`, with `chirality` (+1 for a neutrino, -1 for an antineutrino)."""
    return VectorExchange(params["model"]["mzprime"], params["chirality"], vertices_of(params))
