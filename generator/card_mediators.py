"""The sections `model` of dark neutrinos whose mediator is not a Z': a dark scalar, or the photon by a magnetic moment.

    model: {name: dark-neutrino, mediator: dipole, hnl: dirac, m4: 150 MeV, mu_tr_mu4: 1e-6 GeV^-1}
    model: {name: dark-neutrino, mediator: scalar, hnl: dirac, m4: 150 MeV, mhprime: 60 MeV, s_mu4: 1e-4, theta: 1e-3}

The beam couples to the heaviest state alone: to N4 or, with m5, to N5, which then decays to N4.
"""

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


class MediatorSection(ModelSection):
    """Base of the models of dark neutrinos without a Z'.

    coupling  prefix of the names of the couplings of the beam, `<coupling>_mu4`, and of `<coupling>_54`
    """

    process: ClassVar[str] = "dark-neutrino-without-zprime"
    coupling: ClassVar[str] = ""
    example: ClassVar[str] = ""

    name: Annotated[Literal["dark-neutrino"], word(Literal["dark-neutrino"])] = Field(description="this model")
    hnl: Annotated[Hnl, word(Hnl)] = Field(description="nature of N4 and N5: dirac or majorana")
    m4: Energy = Field(description="mass of the heavy neutral lepton N4", examples=["150 MeV"])
    m5: Energy | None = Field(
        None, description="mass of a second, heavier state N5: the beam then makes N5, which decays to N4"
    )

    @classmethod
    def foreign(cls, key: str) -> str:
        """What to do with a key that another mediator has."""
        return DarkNeutrino.foreign(key)

    @property
    def beam_couplings(self) -> tuple[float, float, float]:
        """Couplings of nu_e, nu_mu, nu_tau to the state that the beam makes."""
        state = "4" if self.m5 is None else "5"
        e, mu, tau = (float(getattr(self, f"{self.coupling}_{flavour}{state}")) for flavour in ("e", "mu", "tau"))
        return e, mu, tau

    @property
    def decay_coupling(self) -> float:
        """Coupling of N5 to N4."""
        return float(getattr(self, f"{self.coupling}_54"))

    def _coupling_problems(self) -> list[InputError]:
        problems = []
        made, other = ("4", "5") if self.m5 is None else ("5", "4")
        names = [f"{self.coupling}_{flavour}" for flavour in ("e", "mu", "tau")]
        if not any(self.beam_couplings):
            wanted = f"one of {', '.join(name + made for name in names)} > 0"
            do = f"Add for example `{names[1]}{made}: {self.example}`."
            problems.append(InputError(names[1] + made, "no coupling above 0", wanted, do))
        for name in names:
            if getattr(self, name + other):
                allowed = "only with m5" if other == "5" else "only couplings of N5, as there is an m5"
                do = "Add m5, the mass of the second state." if other == "5" else f"Use `{name}5`, or remove m5."
                problems.append(InputError(name + other, f"a coupling of N{other}", allowed, do))
        between = f"{self.coupling}_54"
        if self.m5 is None and self.decay_coupling:
            problems.append(InputError(between, "a coupling of N5", "only with m5", "Add m5, or remove it."))
        if self.m5 is not None and not self.decay_coupling:
            do = f"Add for example `{between}: {self.example}`."
            problems.append(InputError(between, "no coupling above 0", "a coupling of N5 to N4 > 0", do))
        if self.m5 is not None and self.m5 <= self.m4:
            problems.append(InputError("m5", f"{1e3 * self.m5:.9g} MeV", "m5 > m4", "Raise m5 or lower m4."))
        return problems


def _moment(what: str) -> float:
    field: float = Field(NO_MOMENT, description=f"transition magnetic moment {what}", examples=["1e-6 GeV^-1"])
    return field


class DipoleNeutrino(MediatorSection):
    """Heavy neutral leptons with a transition magnetic moment, (mu/2) Nbar sigma^{mu nu} P_L nu F_{mu nu} + h.c.

    The photon is the mediator, and what is seen: N4 -> nu gamma, or N5 -> N4 gamma, or a lepton pair that it makes.
    """

    particles: ClassVar[dict[str, int]] = {"N4": 5914, "N5": 5915}
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
    mu_tr_54: Moment = _moment("of N5 with N4 (needs m5)")

    @model_validator(mode="after")
    def _physical(self) -> Self:
        problems = self._coupling_problems()
        if problems:
            raise CardErrors(problems)
        return self


def _yukawa(what: str) -> float:
    field: float = Field(NO_YUKAWA, description=f"coupling of h' to {what}: s h' Nbar P_L nu + h.c.", examples=[1e-4])
    return field


class ScalarNeutrino(MediatorSection):
    """Heavy neutral leptons that couple to a dark scalar h', which mixes with the Higgs boson."""

    particles: ClassVar[dict[str, int]] = {"N4": 5914, "N5": 5915, "Hprime": 5931}
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
    s_54: Yukawa = _yukawa("N5 and N4 (needs m5)")
    vertices: ScalarVertices = Field(
        ScalarVertices.model_validate({}),
        description="couplings of h' to ordinary matter, where theta does not make them",
    )

    @model_validator(mode="after")
    def _physical(self) -> Self:
        problems = self._coupling_problems()
        pair = f"2 m_e ({2e3 * MASS_ELECTRON:.6g} MeV)"
        room = self.m4 if self.m5 is None else self.m5 - self.m4
        if 0 < room <= 2 * MASS_ELECTRON:
            key, what = ("m4", "m4") if self.m5 is None else ("m5", "m5 - m4")
            problems.append(InputError(key, f"{1e3 * room:.9g} MeV", f"{what} > {pair}", f"Raise {key}."))
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
