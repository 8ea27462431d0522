"""The section `physics` of a run card: which processes, form factors and nuclear response. Values in GeV."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darkhorn.generator.card_places import Nuclide
from darkhorn.generator.card_sections import Section
from darkhorn.generator.card_values import Flag, listed, quantity, word
from darkhorn.kernels.errors import InputError

Regime = Literal["coherent", "p-elastic", "n-elastic"]
Helicity = Literal["conserving", "flipping"]
FormFactor = Literal["tabulated", "helm", "symmetrised-fermi"]
Incoherent = Literal["fermi-gas", "closure", "pauli", "free"]
NucleonFormFactor = Literal["kelly", "galster", "dipole"]
Flight = Literal["auto", "always", "never"]
# Far beyond any nucleus; up to here the Fermi gas is defined: a nucleon at p_F keeps more energy than momentum.
FermiMomentum = Annotated[float, quantity("energy", positive=True, most=0.6)]
RemovalEnergy = Annotated[float, quantity("energy", least=0.0, most=0.2)]


class NuclearGas(Section):
    """Fermi gas of one nuclide; what is left out is that of Moniz et al. (1971)."""

    proton_momentum: FermiMomentum | None = Field(
        None, description="Fermi momentum of its protons", examples=["242 MeV"]
    )
    neutron_momentum: FermiMomentum | None = Field(
        None, description="Fermi momentum of its neutrons", examples=["259 MeV"]
    )
    removal_energy: RemovalEnergy | None = Field(
        None, description="energy that it costs to remove a nucleon", examples=["29.5 MeV"]
    )


class Physics(Section):
    """Switches of the physics."""

    regimes: Annotated[
        tuple[Annotated[Regime, word(Regime)], ...], listed(unique=True, example="[coherent, p-elastic]")
    ] = Field(
        ("coherent", "p-elastic", "n-elastic"),
        description="scattering on the whole nucleus, on single protons, on single neutrons",
    )
    incoherent: Annotated[Incoherent, word(Incoherent)] = Field(
        "fermi-gas",
        description="scattering on nucleons of a nucleus. fermi-gas: they move, are bound, and Pauli blocking acts; "
        "the others leave them at rest and free, with a factor: closure 1 - F^2 (F the nuclear form factor), pauli the "
        "unblocked share of the Fermi sphere, free 1, which counts the low-Q^2 part twice and is for comparison",
    )
    nucleon_form_factors: Annotated[NucleonFormFactor, word(NucleonFormFactor)] = Field(
        "kelly",
        description="vector form factors of the nucleons: a fit to data (kelly), dipoles with a charge of the neutron "
        "(galster), or dipoles without it (dipole)",
    )
    fermi_gas: dict[Nuclide, NuclearGas] = Field(
        {},
        description="Fermi momenta and removal energy by nuclide, where you want others than the built-in ones",
        examples=[{"Ar40": {"proton_momentum": "242 MeV", "removal_energy": "29.5 MeV"}}],
    )
    helicities: Annotated[
        tuple[Annotated[Helicity, word(Helicity)], ...], listed(unique=True, example="[conserving, flipping]")
    ] = Field(("conserving", "flipping"), description="helicity of N4 against that of the neutrino")
    z_exchange: Flag = Field(True, description="add the exchange of the Z boson to that of the Z'")
    zprime_polarisation: Flag = Field(True, description="spin correlation of Z' with its decay leptons")
    line_shape: Flag = Field(
        False, description="draw the mass of a broad state (large gD, Z' on shell) from its line shape"
    )
    zprime_flight: Annotated[Flight, word(Flight)] = Field(
        "auto",
        description="a Z' on shell decays at a place of its own: auto where it flies more than 1 mm on average at "
        "1 GeV, always, never. Events that shall be reweighted across that border need always",
    )
    form_factor: Annotated[FormFactor, word(FormFactor)] = Field(
        "tabulated", description="nuclear form factor: charge densities from electron scattering, or a formula"
    )

    @model_validator(mode="after")
    def _gas_is_used(self) -> Self:
        if self.fermi_gas and self.incoherent not in ("fermi-gas", "pauli"):
            allowed = f"only with `incoherent: fermi-gas` or pauli, not {self.incoherent}"
            raise InputError("fermi_gas", "parameters of a Fermi gas", allowed, "Remove it, or change `incoherent`.")
        return self
