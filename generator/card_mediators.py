"""The sections `model` of dark neutrinos whose mediator is not a Z': a dark scalar, or the photon by a magnetic moment.

    model: {name: dark-neutrino, mediator: dipole, hnl: dirac, m4: 150 MeV, mu_tr_mu4: 1e-6 GeV^-1}
    model: {name: dark-neutrino, mediator: scalar, hnl: dirac, m4: 150 MeV, mhprime: 60 MeV, s_mu4: 1e-4, theta: 1e-3}

One to three states: N4, with m5 also N5, with m6 also N6. The beam makes those that couple to it; each decays to
lighter states and to neutrinos.
"""

import itertools
import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from darkhorn.generator.card_errors import CardErrors
from darkhorn.generator.card_models import MEDIATORS, DarkNeutrino, Hnl, ModelSection
from darkhorn.generator.card_values import Energy, number, quantity, word
from darkhorn.generator.card_vertices import ScalarVertices
from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.errors import InputError

Moment = Annotated[float, quantity("magnetic moment", least=0.0)]
Yukawa = Annotated[float, number(low=0.0, high=math.sqrt(4 * math.pi))]
MixingAngle = Annotated[float, number(low=0.0, high=math.pi / 2)]
NO_MOMENT, NO_YUKAWA = 0.0, 0.0


FLAVOURS = ("e", "mu", "tau")


class MediatorSection(ModelSection):
    """Base of the models of dark neutrinos without a Z'.

    coupling  prefix of the names of the couplings: `<coupling>_mu4` of the beam, `<coupling>_54` of two states
    """

    process: ClassVar[str] = "dark-neutrino-without-zprime"
    coupling: ClassVar[str] = ""
    example: ClassVar[str] = ""

    name: Annotated[Literal["dark-neutrino"], word(Literal["dark-neutrino"])] = Field(description="this model")
    hnl: Annotated[Hnl, word(Hnl)] = Field(description="nature of the heavy neutral leptons: dirac or majorana")
    m4: Energy = Field(description="mass of the heavy neutral lepton N4", examples=["150 MeV"])
    m5: Energy | None = Field(None, description="mass of a second, heavier state N5")
    m6: Energy | None = Field(None, description="mass of a third state N6, heavier than N5 (needs m5)")

    @classmethod
    def foreign(cls, key: str) -> str:
        """What to do with a key that another mediator has."""
        return DarkNeutrino.foreign(key)

    def beam_couplings(self, state: str) -> tuple[float, float, float]:
        """Couplings of nu_e, nu_mu, nu_tau to a state, "4", "5" or "6"."""
        e, mu, tau = (float(getattr(self, f"{self.coupling}_{flavour}{state}")) for flavour in FLAVOURS)
        return e, mu, tau

    def coupling_between(self, heavy: str, light: str) -> float:
        """Coupling of two states, as "5" and "4"."""
        return float(getattr(self, f"{self.coupling}_{heavy}{light}"))

    def _states(self) -> list[str]:
        return [i for i in "456" if getattr(self, f"m{i}") is not None]

    def _coupling_problems(self) -> list[InputError]:
        """Couplings are those of states that there are, and lead from the beam to every state."""
        states = self._states()
        if "6" in states and "5" not in states:
            return [InputError("m6", "a mass of N6 without one of N5", "only with m5", "Call it m5.")]
        problems = []
        pairs = [(heavy, light) for heavy in "456" for light in "456" if light < heavy]
        keys = {f"{flavour}{i}": i for i in "456" for flavour in FLAVOURS} | {f"{a}{b}": a for a, b in pairs}
        for key, state in keys.items():
            if state not in states and getattr(self, f"{self.coupling}_{key}"):
                do = f"Add m{state}, the mass of that state, or remove it."
                name = f"{self.coupling}_{key}"
                problems.append(InputError(name, f"a coupling of N{state}", f"only with m{state}", do))
        if problems:
            return problems
        made = {i for i in states if any(self.beam_couplings(i))}
        if not made:
            names = [f"{self.coupling}_{flavour}{states[-1]}" for flavour in FLAVOURS]
            lighter = "".join(f", or of N{i}" for i in reversed(states[:-1]))
            do = f"Add for example `{names[1]}: {self.example}`."
            problems.append(InputError(names[1], "no coupling above 0", f"one of {', '.join(names)} > 0{lighter}", do))
            return problems
        reached = set(made)
        for _ in states:
            for heavy, light in pairs:
                if {heavy, light} & reached and {heavy, light} <= set(states) and self.coupling_between(heavy, light):
                    reached |= {heavy, light}
        for i in states:
            if i not in reached:
                others = [other for other in states if other != i]
                names = [f"{self.coupling}_{max(i, other)}{min(i, other)}" for other in reversed(others)]
                allowed = f"{' or '.join(names)} > 0, or a coupling of N{i} to a neutrino"
                do = f"Add for example `{names[0]}: {self.example}`, or leave N{i} out."
                problems.append(InputError(names[0], f"no coupling of N{i}", allowed, do))
        return problems

    def _mass_problems(self, least: float, why: str) -> list[InputError]:
        """Each state is heavier than the one before by more than `least` (GeV), which `why` explains."""
        problems = []
        states = self._states()
        for low, high in itertools.pairwise(states):
            lower, upper = (float(getattr(self, f"m{i}")) for i in (low, high))
            if upper - lower <= least:
                found = f"m{high} - m{low} = {1e3 * (upper - lower):.9g} MeV"
                allowed = f"m{high} > m{low}" if least == 0 else f"m{high} - m{low} > {why}"
                problems.append(InputError(f"m{high}", found, allowed, f"Raise m{high} or lower m{low}."))
        return problems


def _moment(what: str) -> float:
    field: float = Field(NO_MOMENT, description=f"transition magnetic moment {what}", examples=["1e-6 GeV^-1"])
    return field


class DipoleNeutrino(MediatorSection):
    """Heavy neutral leptons with a transition magnetic moment, (mu/2) Nbar sigma^{mu nu} P_L nu F_{mu nu} + h.c.

    The photon is the mediator, and what is seen: N4 -> nu gamma, N5 -> N4 gamma and so on, or a lepton pair that it
    makes.
    """

    particles: ClassVar[dict[str, int]] = {"N4": 5914, "N5": 5915, "N6": 5916}
    visible_states: ClassVar[tuple[str, ...]] = ("gamma", "e+e-", "mu+mu-")
    coupling: ClassVar[str] = "mu_tr"
    example: ClassVar[str] = "1e-6 GeV^-1"

    mediator: Annotated[Literal["dipole"], word(Literal["dipole"])] = Field(description="a magnetic moment")
    mu_tr_e4: Moment = _moment("of N4 with nu_e")
    mu_tr_mu4: Moment = _moment("of N4 with nu_mu")
    mu_tr_tau4: Moment = _moment("of N4 with nu_tau")
    mu_tr_e5: Moment = _moment("of N5 with nu_e (needs m5)")
    mu_tr_mu5: Moment = _moment("of N5 with nu_mu (needs m5)")
    mu_tr_tau5: Moment = _moment("of N5 with nu_tau (needs m5)")
    mu_tr_e6: Moment = _moment("of N6 with nu_e (needs m6)")
    mu_tr_mu6: Moment = _moment("of N6 with nu_mu (needs m6)")
    mu_tr_tau6: Moment = _moment("of N6 with nu_tau (needs m6)")
    mu_tr_54: Moment = _moment("of N5 with N4 (needs m5)")
    mu_tr_64: Moment = _moment("of N6 with N4 (needs m6)")
    mu_tr_65: Moment = _moment("of N6 with N5 (needs m6)")

    @model_validator(mode="after")
    def _physical(self) -> Self:
        problems = self._coupling_problems() + self._mass_problems(0.0, "")
        if problems:
            raise CardErrors(problems)
        return self


def _yukawa(what: str) -> float:
    field: float = Field(NO_YUKAWA, description=f"coupling of h' to {what}: s h' Nbar P_L nu + h.c.", examples=[1e-4])
    return field


class ScalarNeutrino(MediatorSection):
    """Heavy neutral leptons that couple to a dark scalar h', which mixes with the Higgs boson."""

    particles: ClassVar[dict[str, int]] = {"N4": 5914, "N5": 5915, "N6": 5916, "Hprime": 5931}
    visible_states: ClassVar[tuple[str, ...]] = ("e+e-", "mu+mu-")
    coupling: ClassVar[str] = "s"
    example: ClassVar[str] = "1.0e-4"

    mediator: Annotated[Literal["scalar"], word(Literal["scalar"])] = Field(description="a dark scalar h'")
    mhprime: Energy = Field(description="mass of the dark scalar h'", examples=["60 MeV"])
    theta: MixingAngle = Field(0.0, description="angle (radian) of the mixing of h' with the Higgs boson")
    s_e4: Yukawa = _yukawa("nu_e and N4")
    s_mu4: Yukawa = _yukawa("nu_mu and N4")
    s_tau4: Yukawa = _yukawa("nu_tau and N4")
    s_e5: Yukawa = _yukawa("nu_e and N5 (needs m5)")
    s_mu5: Yukawa = _yukawa("nu_mu and N5 (needs m5)")
    s_tau5: Yukawa = _yukawa("nu_tau and N5 (needs m5)")
    s_e6: Yukawa = _yukawa("nu_e and N6 (needs m6)")
    s_mu6: Yukawa = _yukawa("nu_mu and N6 (needs m6)")
    s_tau6: Yukawa = _yukawa("nu_tau and N6 (needs m6)")
    s_54: Yukawa = _yukawa("N5 and N4 (needs m5)")
    s_64: Yukawa = _yukawa("N6 and N4 (needs m6)")
    s_65: Yukawa = _yukawa("N6 and N5 (needs m6)")
    vertices: ScalarVertices = Field(
        ScalarVertices.model_validate({}),
        description="couplings of h' to ordinary matter, where theta does not make them",
    )

    @model_validator(mode="after")
    def _physical(self) -> Self:
        pair = f"2 m_e ({2e3 * MASS_ELECTRON:.6g} MeV)"
        problems = self._coupling_problems() + self._mass_problems(2 * MASS_ELECTRON, pair)
        if (self.m5 is None or any(self.beam_couplings("4"))) and self.m4 <= 2 * MASS_ELECTRON:
            problems.append(InputError("m4", f"{1e3 * self.m4:.9g} MeV", f"m4 > {pair}", "Raise m4."))
        if self.mhprime <= 2 * MASS_ELECTRON:
            found = f"{1e3 * self.mhprime:.9g} MeV"
            problems.append(InputError("mhprime", found, f"mhprime > {pair}, to decay to e+e-", "Raise mhprime."))
        given = self.vertices
        if not (given.e_S or (given.e_S is None and self.theta)):
            do = "Add for example `theta: 1.0e-3`, or `vertices: {e_S: 1.0e-4}`."
            problems.append(InputError("theta", "no coupling of h' to electrons", "theta > 0, or vertices.e_S", do))
        nucleons = [given.p_S, given.n_S]
        if not any(g or (g is None and self.theta) for g in nucleons):
            do = "Add for example `theta: 1.0e-3`, or `vertices: {p_S: 1.0e-4}`."
            problems.append(InputError("theta", "no coupling of h' to nucleons", "theta > 0, or vertices.p_S", do))
        if problems:
            raise CardErrors(problems)
        return self


MEDIATORS["dipole"], MEDIATORS["scalar"] = DipoleNeutrino, ScalarNeutrino
