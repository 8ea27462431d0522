"""Heavy neutral leptons with any mediator: one to three states, their decays to each other, and what a mediator has to
say of them.

`model` is a pytree of arrays with at least the masses m4, m5, m6 (GeV; those there are), in order, and majorana (0 or
1). A mediator is a `States` of its own: `dark_neutrino_model.Scheme` (Z'), and `DipoleScheme` and `ScalarScheme` of
`dark_neutrino_mediator_model`. Paths, chains, records and channels are made of that, the same way for all.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Params
from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON, MASS_TAU
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonModel
from darkhorn.kernels.matrix_elements.exchange import Exchange

LEPTONS = {"e": MASS_ELECTRON, "mu": MASS_MUON, "tau": MASS_TAU}
FLAVOURS = ("e", "mu", "tau")
STATES = ("N4", "N5", "N6")
FINALS = {"gamma": "", "e+e-": "e", "mu+mu-": "mu"}  # visible final states, words of a card -> lepton
Transition = tuple[str, str]  # of a state to a lighter one, or to "nu"
Widths = dict[str, dict[str, jax.Array]]  # particle -> channel -> partial width, GeV
Step = Literal["photon", "vector", "scalar", "pair"]  # a decay by a photon, a Z' or h' on shell, or a virtual boson


def mass_key(state: str) -> str:
    """Name of a state's mass in a card and in the model: m4 of N4."""
    return f"m{state[1]}"


def states_in(model: Any) -> tuple[str, ...]:
    """Names of the states of a model, or of the section `model` of a card."""
    if isinstance(model, dict):
        return tuple(name for name in STATES if mass_key(name) in model)
    return tuple(name for name in STATES if getattr(model, mass_key(name)) is not None)


def masses_of(model: Params) -> jax.Array:
    """Masses (k + 1,) in GeV of the states and of the light neutrinos, as `States.index` counts them."""
    states = [model[mass_key(name)] for name in STATES if mass_key(name) in model]
    return jnp.stack([*states, jnp.zeros_like(model["m4"])])


def produced_mass(params: Params) -> jax.Array:
    """Mass (GeV) of the state that the beam makes. params: `model`, and `produced` (k,), one at that state."""
    produced: jax.Array = params["produced"]
    return jnp.sum(produced * masses_of(params["model"])[:-1])


def root(x: jax.Array) -> jax.Array:
    """The square root, 0 below 0; its derivative is finite everywhere."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def total_width(widths: Widths, particle: str) -> jax.Array:
    """Sum of the partial widths of a particle, GeV."""
    return sum(widths[particle].values(), jnp.zeros(()))


class Transitions(NamedTuple):
    """Numbers of decays N -> daughter boson: masses and the width of the boson in its propagator (GeV; 0 for a photon),
    couplings of N and daughter to the boson; (t,) each.
    """

    m: jax.Array
    m_j: jax.Array
    width_boson: jax.Array
    coupling: jax.Array


@dataclass(frozen=True)
class States(ABC):
    """What of a model is known before compilation: which decays its program holds.

    states    names of the heavy neutral leptons, lightest first
    on_shell  the transitions in which the mediator is on shell; the others go through a virtual one
    displaced  the mediator on shell flies
    broad     states whose mass is drawn from their line shape

    mediator  word of a card; boson: the mediator's name in `widths` and `pdg_map`, if it can be on shell; symbol: what
    it is called in texts; finals: visible final states (words of a card), the usual one first
    """

    states: tuple[str, ...] = ("N4",)
    on_shell: tuple[Transition, ...] = ()
    displaced: bool = False
    broad: tuple[str, ...] = ()

    mediator: ClassVar[str] = ""
    boson: ClassVar[str] = ""
    symbol: ClassVar[str] = ""
    finals: ClassVar[tuple[str, ...]] = ("e+e-", "mu+mu-")
    on_shell_step: ClassVar[Step] = "vector"

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Every decay of a state to a lighter one or to a neutrino."""
        return tuple(
            (parent, daughter) for i, parent in enumerate(self.states) for daughter in ("nu", *self.states[:i])
        )

    @property
    def virtual(self) -> tuple[Transition, ...]:
        """The transitions through a virtual mediator."""
        return tuple(t for t in self.transitions if t not in self.on_shell)

    def index(self, state: str) -> int:
        """Position of a state in the arrays of the model; the light neutrinos come last."""
        return (*self.states, "nu").index(state)

    @property
    def parents(self) -> NDArray[np.int64]:
        """Index (t,) of the parent of every transition."""
        return np.array([self.index(parent) for parent, _ in self.transitions])

    def step(self, transition: Transition, final: str) -> Step:
        """How a decay to a visible final state goes."""
        if not FINALS[final]:
            return "photon"
        return self.on_shell_step if transition in self.on_shell else "pair"

    # ------------------------------------------------------------------------------ what each mediator says itself
    @abstractmethod
    def widths(self, model: Params) -> Widths:
        """Partial widths (GeV) of every state and of the mediator; a compiled program."""

    @abstractmethod
    def beam_couplings(self, model: Params) -> jax.Array:
        """Couplings (k, 3) of the mediator to the states and nu_e, nu_mu, nu_tau."""

    @abstractmethod
    def numbers(self, model: Params, transitions: tuple[Transition, ...]) -> Transitions:
        """Numbers of transitions."""

    @abstractmethod
    def boson_numbers(self, model: Params, widths: Widths) -> dict[str, jax.Array]:
        """What the stages read of the mediator itself: its mass (GeV)."""

    @abstractmethod
    def lepton_couplings(self, model: Params) -> jax.Array:
        """Couplings (f,) of the mediator to the leptons of `finals`; 0 for a photon."""

    @abstractmethod
    def dilepton(
        self, model: Params, numbers: Transitions, m_lepton: jax.Array, lepton_coupling: jax.Array
    ) -> DileptonModel:
        """The decay to a pair through a virtual mediator. Scalars."""

    @abstractmethod
    def exchange(self, params: Params) -> Exchange:
        """What is exchanged in the scattering."""


def visible_widths_of(widths: Widths, scheme: States, transition: Transition) -> tuple[jax.Array, ...]:
    """Partial widths (GeV) of a transition with each final state of `States.finals`."""
    parent, daughter = transition
    if transition in scheme.on_shell:
        boson = widths[scheme.boson]
        per_width = widths[parent][f"{daughter} {scheme.boson}"] / total_width(widths, scheme.boson)
        return tuple(per_width * boson[_channel(final)] for final in scheme.finals)
    return tuple(widths[parent][f"{daughter} {_channel(final)}"] for final in scheme.finals)


def _channel(final: str) -> str:
    """Name of a final state in `widths`."""
    lepton = FINALS[final]
    return f"{lepton}+ {lepton}-" if lepton else final
