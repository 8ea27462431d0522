"""Dark neutrinos without a Z': couplings, widths and branching ratios as pure functions of the model's parameters.

The mediator is the photon, by a transition magnetic moment ("dipole"), or a dark scalar h' ("scalar"). There are one to
three heavy neutral leptons, N4, N5, N6, in order of mass. `model` is a pytree of arrays: the masses m4, m5, m6 (those
there are; GeV), majorana (0 or 1), `beam` (k, 3), the couplings of the k states with nu_e, nu_mu, nu_tau, `between`
(k, k), those of states with each other, [i, j] for j < i (moments in GeV^-1, or Yukawa couplings); a scalar has mhprime
(GeV), theta (radian) and `vertices`, those of its couplings to matter that are given directly.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.generator.card_mediators import DipoleNeutrino, ScalarNeutrino
from darkhorn.generator.chain import Params
from darkhorn.generator.processes.dark_neutrino_states import (
    FINALS,
    LEPTONS,
    States,
    Step,
    Transition,
    Transitions,
    Widths,
    mass_key,
    masses_of,
    root,
    states_in,
    total_width,
)
from darkhorn.kernels.constants import (
    ELECTRIC_CHARGE,
    HBAR_C,
    HIGGS_NUCLEON,
    HIGGS_VEV,
    MASS_ELECTRON,
    MASS_MUON,
    MASS_NEUTRON,
    MASS_PION,
    MASS_PROTON,
    MASS_TAU,
)
from darkhorn.kernels.errors import InputError, PhysicsWarning
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonModel
from darkhorn.kernels.matrix_elements.exchange import MomentExchange, ScalarExchange
from darkhorn.kernels.matrix_elements.neutral_decays import width_through_vector
from darkhorn.kernels.matrix_elements.radiative_decay import (
    moment_dilepton,
    width_radiative,
    width_radiative_dilepton,
)
from darkhorn.kernels.matrix_elements.scalar_decays import (
    ScalarDilepton,
    width_scalar_to_leptons,
    width_scalar_to_neutral_pair,
    width_scalar_to_photons,
    width_scalar_to_pions,
    width_to_scalar,
)

# what the coupling of h' to matter is with the Higgs boson's, sin(theta) times: mass of the particle over v
HIGGS_LIKE = {
    "e_S": MASS_ELECTRON / HIGGS_VEV,
    "mu_S": MASS_MUON / HIGGS_VEV,
    "tau_S": MASS_TAU / HIGGS_VEV,
    "p_S": HIGGS_NUCLEON * MASS_PROTON / HIGGS_VEV,
    "n_S": HIGGS_NUCLEON * MASS_NEUTRON / HIGGS_VEV,
}
NARROW = 100.0  # widths below the threshold, from which h' counts as on shell
BROAD = 0.01  # width over mass from which a state is told to be broad
HEAVIEST_PAIR = 0.6  # GeV: up to here the decays of h' to hadrons are known well enough
LIGHTEST_PHOTONS = 1e-6  # GeV: where the integral over the mass of a pair of photons begins


@dataclass(frozen=True)
class _Mediated(States):
    """What a moment and a scalar have in common."""

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Every decay of a state: to the heaviest daughter first, to a neutrino last."""
        return tuple(
            (parent, daughter) for i, parent in enumerate(self.states) for daughter in (*self.states[:i][::-1], "nu")
        )

    def beam_couplings(self, model: Params) -> jax.Array:
        """Moments or Yukawa couplings (k, 3)."""
        found: jax.Array = model["beam"]
        return found

    def widths(self, model: Params) -> Widths:
        """`partial_widths`, compiled."""
        found: Widths = host_widths(model, self)
        return found

    def numbers(self, model: Params, transitions: tuple[Transition, ...]) -> Transitions:
        """Masses and couplings of transitions, with the width that a virtual mediator has there."""
        masses = masses_of(model)
        m, m_j = (jnp.stack([masses[self.index(t[side])] for t in transitions]) for side in (0, 1))
        coupling = jnp.stack([coupling_of(model, self, t) for t in transitions])
        width = jnp.stack([self._width_below(model, free) for free in m - m_j])
        return Transitions(m, m_j, width, coupling)

    def _width_below(self, model: Params, room: jax.Array) -> jax.Array:
        return jnp.zeros_like(room)


@dataclass(frozen=True)
class DipoleScheme(_Mediated):
    """As `States`, for transition magnetic moments."""

    mediator: ClassVar[str] = "dipole"
    symbol: ClassVar[str] = "photon"
    finals: ClassVar[tuple[str, ...]] = ("gamma", "e+e-", "mu+mu-")

    def boson_numbers(self, model: Params, widths: Widths) -> dict[str, jax.Array]:
        """None: a photon has no mass."""
        return {}

    def lepton_couplings(self, model: Params) -> jax.Array:
        """The elementary charge."""
        return jnp.asarray([ELECTRIC_CHARGE if FINALS[final] else 0.0 for final in self.finals])

    def dilepton(
        self, model: Params, numbers: Transitions, m_lepton: jax.Array, lepton_coupling: jax.Array
    ) -> DileptonModel:
        """The decay through a virtual photon, which knows its charge."""
        return moment_dilepton(numbers.m, numbers.m_j, m_lepton, numbers.coupling, model["majorana"])

    def exchange(self, params: Params) -> MomentExchange:
        """mu e Z for a nucleus, mu e for a nucleon (its form factors hold its charge), GeV^-1. params: `model`;
        `produced` (k,), one at the state that is made; `flavour` (3,), one at the projectile's; `target`; `protons`.
        """
        charge = jnp.where(params["target"].is_nucleon > 0.5, 1.0, params["protons"])
        return MomentExchange(_own(params) * ELECTRIC_CHARGE * charge)


@dataclass(frozen=True)
class ScalarScheme(_Mediated):
    """As `States`, for a dark scalar.

    light     h' is light enough for its decays to hadrons to be known
    """

    light: bool = True

    mediator: ClassVar[str] = "scalar"
    boson: ClassVar[str] = "Hprime"
    symbol: ClassVar[str] = "h'"
    on_shell_step: ClassVar[Step] = "scalar"

    def boson_numbers(self, model: Params, widths: Widths) -> dict[str, jax.Array]:
        """Mass (GeV) of h'."""
        return {"m_scalar": model["mhprime"]}

    def lepton_couplings(self, model: Params) -> jax.Array:
        """e_S and mu_S."""
        return jnp.stack([matter_coupling(model, f"{FINALS[final]}_S") for final in self.finals])

    def dilepton(
        self, model: Params, numbers: Transitions, m_lepton: jax.Array, lepton_coupling: jax.Array
    ) -> DileptonModel:
        """The decay through a virtual h'."""
        m, m_j, width, coupling = numbers
        return ScalarDilepton(m, m_j, model["mhprime"], width, m_lepton, coupling, lepton_coupling, model["majorana"])

    def exchange(self, params: Params) -> ScalarExchange:
        """s (Z g_p + N g_n). params: as `DipoleScheme.exchange`, with `neutrons`, without `target`."""
        model = params["model"]
        of_protons = params["protons"] * matter_coupling(model, "p_S")
        of_neutrons = params["neutrons"] * matter_coupling(model, "n_S")
        return ScalarExchange(model["mhprime"], _own(params) * (of_protons + of_neutrons))

    def _width_below(self, model: Params, room: jax.Array) -> jax.Array:
        return scalar_width_below(model, self, room)


def _own(params: Params) -> jax.Array:
    """Coupling of the projectile to the state that is made."""
    return jnp.sum(params["produced"][:, None] * params["flavour"][None] * params["model"]["beam"])


def scheme_of(card: Any) -> DipoleScheme | ScalarScheme:
    """The scheme of a checked card. Raises InputError where this version has no physics for it.

    h' counts as on shell when it is lighter than the mass difference by more than NARROW of its widths; closer to the
    threshold the formula with the propagator is taken, which holds everywhere.
    """
    m = card.model
    states = states_in(m)
    if isinstance(m, DipoleNeutrino):
        return DipoleScheme(states)
    masses = {name: getattr(m, mass_key(name)) for name in states}
    scheme = ScalarScheme(states, light=m.mhprime < HEAVIEST_PAIR)
    model = model_of(card)
    room = {t: masses[t[0]] - masses.get(t[1], 0.0) for t in scheme.transitions}
    width = float(sum(scalar_widths(model, scheme).values()))
    scheme = replace(scheme, on_shell=tuple(t for t in scheme.transitions if room[t] - m.mhprime > NARROW * width))
    for parent, daughter in scheme.transitions:
        heaviest = m.mhprime if (parent, daughter) in scheme.on_shell else room[parent, daughter]
        if heaviest >= HEAVIEST_PAIR and float(coupling_of(model, scheme, (parent, daughter))) > 0:
            raise InputError(
                "model.mhprime",
                f"an h' or a pair of up to {1e3 * heaviest:g} MeV in {parent} -> {daughter}",
                f"less than {1e3 * HEAVIEST_PAIR:g} MeV, above which the decays of h' to hadrons are not known",
                "Lower the masses.",
            )
    return scheme


def model_of(card: Any) -> dict[str, Any]:
    """Parameters of a checked card's model."""
    m = card.model
    states = states_in(m)
    numbers: dict[str, Any] = {
        **{mass_key(name): getattr(m, mass_key(name)) for name in states},
        "majorana": float(m.hnl == "majorana"),
        "beam": [m.beam_couplings(name[1]) for name in states],
        "between": [[m.coupling_between(i[1], j[1]) if j < i else 0.0 for j in states] for i in states],
    }
    given: dict[str, Any] = {}
    if isinstance(m, ScalarNeutrino):
        numbers |= {"mhprime": m.mhprime, "theta": m.theta}
        given = {name: value for name in HIGGS_LIKE if (value := getattr(m.vertices, name)) is not None}
    arrays = {name: jnp.asarray(value, jnp.float64) for name, value in numbers.items()}
    return {**arrays, "vertices": {name: jnp.asarray(value, jnp.float64) for name, value in given.items()}}


def matter_coupling(model: Params, name: str) -> jax.Array:
    """Coupling of h' to matter: sin(theta) times the Higgs boson's, or the one that the card gives."""
    coupling: jax.Array = model["vertices"].get(name, jnp.sin(model["theta"]) * HIGGS_LIKE[name])
    return coupling


def coupling_of(model: Params, scheme: States, transition: Transition) -> jax.Array:
    """Coupling of a state to a daughter: `between` for a state, the root of the sum of the squares of its row of `beam`
    for light neutrinos.
    """
    i, j = (scheme.index(name) for name in transition)
    if transition[1] == "nu":
        return root(jnp.sum(model["beam"][i] ** 2))
    coupling: jax.Array = model["between"][i, j]
    return coupling


class _Matter(NamedTuple):
    """Decays of h' to ordinary particles: where each opens (GeV), and its width as a function of the mass of h'."""

    opens: float
    width: Callable[[jax.Array], jax.Array]


def _matter(model: Params, light: bool) -> dict[str, _Matter]:
    """By name; photons and pions only where h' is `light` enough for its decays to hadrons to be known."""

    def leptons(name: str, mass: float) -> Callable[[jax.Array], jax.Array]:
        return lambda q: width_scalar_to_leptons(q, jnp.full_like(q, mass), matter_coupling(model, f"{name}_S"))

    found = {f"{name}+ {name}-": _Matter(2 * mass, leptons(name, mass)) for name, mass in LEPTONS.items()}
    if light:
        sine = jnp.sin(model["theta"])
        found["gamma gamma"] = _Matter(LIGHTEST_PHOTONS, lambda q: width_scalar_to_photons(q, sine))
        found["pi pi"] = _Matter(2 * MASS_PION, lambda q: width_scalar_to_pions(q, sine))
    return found


class _Neutral(NamedTuple):
    """Decays of h' to two states, or a state and a neutrino: masses (GeV) and couplings, (p,) each."""

    m_1: jax.Array
    m_2: jax.Array
    coupling: jax.Array

    def width(self, q: jax.Array, majorana: jax.Array) -> jax.Array:
        """Partial widths for an h' of mass q. Shapes: (p,) broadcast with q."""
        return width_scalar_to_neutral_pair(q, self.m_1, self.m_2, self.coupling, majorana)


def _neutral(model: Params, scheme: ScalarScheme) -> tuple[tuple[str, ...], _Neutral]:
    masses = masses_of(model)
    m_1, m_2 = (jnp.stack([masses[scheme.index(t[side])] for t in scheme.transitions]) for side in (1, 0))
    coupling = jnp.stack([coupling_of(model, scheme, t) for t in scheme.transitions])
    return tuple(f"{daughter} {parent}" for parent, daughter in scheme.transitions), _Neutral(m_1, m_2, coupling)


def scalar_widths(model: Params, scheme: ScalarScheme) -> dict[str, jax.Array]:
    """Partial widths of h' in GeV: leptons, photons, pions, and every two states that it couples."""
    mass = model["mhprime"]
    names, pairs = _neutral(model, scheme)
    neutral = pairs.width(mass, model["majorana"])
    found = {name: decay.width(mass) for name, decay in _matter(model, scheme.light).items()}
    return found | {name: neutral[i] for i, name in enumerate(names)}


def scalar_width_below(model: Params, scheme: ScalarScheme, room: jax.Array) -> jax.Array:
    """Width (GeV) of h' in the propagator of a transition that leaves it the mass `room` (GeV): what it can decay to
    there, as for a Z' (`dark_neutrino_model.zprime_width_below`).
    """
    mass = model["mhprime"]
    _, pairs = _neutral(model, scheme)
    neutral = jnp.where(pairs.m_1 + pairs.m_2 < room, pairs.width(mass, model["majorana"]), 0.0)
    matter = [jnp.where(decay.opens < room, decay.width(mass), 0.0) for decay in _matter(model, scheme.light).values()]
    return sum(matter, jnp.sum(neutral))


def partial_widths(model: Params, scheme: DipoleScheme | ScalarScheme) -> Widths:
    """Partial widths (GeV) of every state and of h' in every channel; zero where closed. Scalars; differentiable.

    The integrals over virtual photons or h' are made for all transitions and all pairs at once: one to compile, however
    many states there are.
    """
    return _dipole_widths(model, scheme) if isinstance(scheme, DipoleScheme) else _all_scalar_widths(model, scheme)


def _dipole_widths(model: Params, scheme: DipoleScheme) -> Widths:
    t, majorana = scheme.numbers(model, scheme.transitions), model["majorana"]
    photon = width_radiative(t.m, t.m_j, t.coupling, majorana)
    leptons = jnp.asarray([*LEPTONS.values()])[None]
    pairs = width_radiative_dilepton(t.m[:, None], t.m_j[:, None], leptons, t.coupling[:, None], majorana)
    found: Widths = {name: {} for name in scheme.states}
    for i, (parent, daughter) in enumerate(scheme.transitions):
        found[parent][f"{daughter} gamma"] = photon[i]
        found[parent] |= {f"{daughter} {name}+ {name}-": pairs[i, k] for k, name in enumerate(LEPTONS)}
    return found


def _all_scalar_widths(model: Params, scheme: ScalarScheme) -> Widths:
    majorana, mass = model["majorana"], model["mhprime"]
    found: Widths = {name: {} for name in scheme.states}
    if scheme.on_shell:
        t = scheme.numbers(model, scheme.on_shell)
        real = width_to_scalar(t.m, t.m_j, mass, t.coupling, majorana)
        for i, (parent, daughter) in enumerate(scheme.on_shell):
            found[parent][f"{daughter} Hprime"] = real[i]
    if scheme.virtual:
        matter = {name: decay for name, decay in _matter(model, light=True).items() if "tau" not in name}
        names, pairs = _neutral(model, scheme)
        wide = _Neutral(*(array[None, :, None, None] for array in pairs))

        def each(q: jax.Array) -> jax.Array:
            """One partial width for each row of q (transitions, pairs, cells, nodes): one integral to compile."""
            seen = jnp.stack([decay.width(q[:, i]) for i, decay in enumerate(matter.values())], axis=1)
            return jnp.concatenate([seen, wide.width(q[:, len(matter) :], majorana)], axis=1)

        t = scheme.numbers(model, scheme.virtual)
        lowest = jnp.concatenate([jnp.asarray([decay.opens for decay in matter.values()]), pairs.m_1 + pairs.m_2])
        m, m_j, width, coupling = (a[:, None] for a in t)
        through = width_through_vector(
            m, m_j, mass[None, None], width, lowest[None], coupling, majorana[None, None], each,
            width_to_boson=width_to_scalar,
        )  # fmt: skip
        for i, (parent, daughter) in enumerate(scheme.virtual):
            found[parent] |= {f"{daughter} {name}": through[i, k] for k, name in enumerate((*matter, *names))}
    return {**found, "Hprime": scalar_widths(model, scheme)}


host_widths = jax.jit(partial_widths, static_argnums=1)


def warn_of_limits(model: Params, scheme: DipoleScheme | ScalarScheme) -> None:
    """Say (PhysicsWarning) where a card leaves what this version describes: a broad N, an h' that flies."""
    widths = scheme.widths(model)
    for name in scheme.states:
        mass, width = float(model[mass_key(name)]), float(total_width(widths, name))
        if width > BROAD * mass:
            warnings.warn(
                f"{name} is {1e3 * width:.3g} MeV wide ({100 * width / mass:.2g} % of its mass): it is put on its mass "
                "shell all the same, and its line shape is not generated",
                PhysicsWarning,
                stacklevel=2,
            )
    if scheme.on_shell:
        flown = HBAR_C / float(total_width(widths, "Hprime")) / float(model["mhprime"])  # at a momentum of 1 GeV
        if flown > 1.0:
            warnings.warn(
                f"an h' of 1 GeV flies {flown:.3g} cm on average, but it is made to decay where its parent does",
                PhysicsWarning,
                stacklevel=2,
            )
