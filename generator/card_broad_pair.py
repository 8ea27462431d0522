"""The model `broad-pair` of a run card: pairs e+ e- drawn from a broad density, to be reweighted."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from darkhorn.generator.card_errors import CardErrors
from darkhorn.generator.card_models import ModelSection, register_model
from darkhorn.generator.card_values import Energy, number, word
from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.errors import InputError


class BroadPair(ModelSection):
    """Pairs e+ e- that cover every signal: no physics, but the sample that `darkhorn reweight --to` starts from.

    The mass m is uniform in ln m, E - m falls as (E - m + energy_scale)^-3, directions are within about
    sqrt(transverse_scale^2 + m^2)/E of the beam or, with the probability wide_share, anywhere; vertices are uniform in
    `decay_in`.
    """

    particles: ClassVar[dict[str, int]] = {"Pair": 5990}
    visible_states: ClassVar[tuple[str, ...]] = ("e+e-",)

    name: Annotated[Literal["broad-pair"], word(Literal["broad-pair"])] = Field(description="this model")
    least_mass: Energy = Field("1.1 MeV", validate_default=True, description="smallest mass of the pair")
    most_mass: Energy = Field("1 GeV", validate_default=True, description="largest mass of the pair")
    most_energy: Energy = Field("6 GeV", validate_default=True, description="largest energy of the pair")
    energy_scale: Energy = Field(
        "800 MeV", validate_default=True, description="energies fall beyond about this one above the mass"
    )
    transverse_scale: Energy = Field(
        "30 MeV",
        validate_default=True,
        description="angles to the beam fall beyond this (and the mass, in quadrature) over the energy of the pair",
    )
    wide_share: Annotated[float, number(low=0.0, high=1.0, above=True)] = Field(
        0.1, description="share of the pairs whose directions are uniform on the sphere"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        problems = []
        if self.least_mass <= 2 * MASS_ELECTRON:
            found = f"{1e3 * self.least_mass:.9g} MeV"
            allowed = f"more than 2 m_e ({2e3 * MASS_ELECTRON:.6g} MeV)"
            problems.append(InputError("least_mass", found, allowed, "Raise least_mass."))
        for small, large in (("least_mass", "most_mass"), ("most_mass", "most_energy")):
            if not getattr(self, small) < getattr(self, large):
                found = f"{getattr(self, large):g} GeV"
                allowed = f"more than {small} ({getattr(self, small):g} GeV)"
                problems.append(InputError(large, found, allowed, f"Raise {large} or lower {small}."))
        if self.wide_share == 1.0:
            problems.append(InputError("wide_share", "1", "less than 1", "Lower wide_share."))
        if problems:
            raise CardErrors(problems)
        return self


register_model("broad-pair", BroadPair)
