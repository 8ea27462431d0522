"""The single dark neutrino: couplings, widths and branching ratios of a card's model. Host side numbers, kernels'
formulas.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from darkhorn.kernels.constants import (
    ELECTRIC_CHARGE,
    HBAR_C,
    MASS_ELECTRON,
    MASS_MUON,
    MASS_PION,
    WEAK_NEUTRAL_COUPLING,
)
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.matrix_elements.neutral_decays import (
    width_three_neutrinos,
    width_to_vector,
    width_vector_to_leptons,
    width_vector_to_neutrinos,
    width_weak_dilepton,
)

LEPTONS = {"e": MASS_ELECTRON, "mu": MASS_MUON}


@dataclass(frozen=True)
class Width:
    """One decay channel: particle, name of the channel, partial width in GeV."""

    particle: str
    channel: str
    width: float


@dataclass(frozen=True)
class Model:
    """Numbers of the model, GeV and dimensionless; `mixing_sq` is (|U_e4|^2, |U_mu4|^2, |U_tau4|^2)."""

    m4: float
    m_zprime: float
    mixing_sq: tuple[float, float, float]
    epsilon: float
    g_dark: float
    majorana: bool

    @classmethod
    def from_card(cls, card: Any) -> "Model":
        """The model of a checked card. Raises InputError where this version has no physics for it."""
        m = card.model
        if m.mzprime > 2 * MASS_PION:
            raise InputError(
                "model.mzprime",
                f"{1e3 * m.mzprime:g} MeV",
                f"up to two charged-pion masses, {2e3 * MASS_PION:.2f} MeV",
                "Above, the Z' decays to hadrons as well, which this version does not have.",
            )
        return cls(m.m4, m.mzprime, (m.ue4_sq, m.umu4_sq, m.utau4_sq), m.epsilon, m.gD, m.hnl == "majorana")

    @property
    def total_mixing_sq(self) -> float:
        """sum over flavours of |U_alpha4|^2."""
        return math.fsum(self.mixing_sq)

    @property
    def charge_coupling(self) -> float:
        """Coupling of the Z' to unit charge: e epsilon."""
        return ELECTRIC_CHARGE * self.epsilon

    def dark_vertex(self, flavour: int) -> float:
        """nu_alpha -> N4 at the Z': -g_D U_alpha4; flavour 0, 1, 2 for e, mu, tau."""
        return -self.g_dark * math.sqrt(self.mixing_sq[flavour])

    def weak_vertex(self, flavour: int) -> float:
        """nu_alpha -> N4 at the Z: -(g/2c_W) U_alpha4. With both signs minus, epsilon > 0 makes the interference on
        nuclei destructive.
        """
        return -WEAK_NEUTRAL_COUPLING * math.sqrt(self.mixing_sq[flavour])

    def widths(self) -> list[Width]:
        """Partial widths of N4 and Z', closed channels left out."""
        f, majorana = jnp.asarray, jnp.asarray(float(self.majorana))
        m4, mz = f(self.m4), f(self.m_zprime)
        dark = f(self.g_dark * math.sqrt(self.total_mixing_sq))
        rows = [Width("N4", "nu Zprime", float(width_to_vector(m4, f(0.0), mz, dark, majorana)))]
        for flavour, (name, mass) in enumerate(LEPTONS.items()):
            same = self.mixing_sq[flavour]
            weak = width_weak_dilepton(m4, f(mass), f(same), f(self.total_mixing_sq - same), majorana)
            rows.append(Width("N4", f"nu {name}+ {name}- (W, Z)", float(weak)))
        rows.append(Width("N4", "nu nu nu (Z)", float(width_three_neutrinos(m4, f(self.total_mixing_sq), majorana))))
        for name, mass in LEPTONS.items():
            rows.append(
                Width(
                    "Zprime", f"{name}+ {name}-", float(width_vector_to_leptons(mz, f(mass), f(self.charge_coupling)))
                )
            )
        invisible = width_vector_to_neutrinos(mz, f(self.g_dark * self.total_mixing_sq))
        rows.append(Width("Zprime", "nu nu", float(invisible)))
        return [row for row in rows if row.width > 0]

    def total_width(self, particle: str) -> float:
        """Sum of the open channels, GeV."""
        return math.fsum(row.width for row in self.widths() if row.particle == particle)

    def branching_ratio(self, particle: str, channel: str) -> float:
        """Partial over total width."""
        return math.fsum(
            r.width for r in self.widths() if (r.particle, r.channel) == (particle, channel)
        ) / self.total_width(particle)

    def ctau(self, particle: str) -> float:
        """Proper decay length, cm."""
        return HBAR_C / self.total_width(particle)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of `darkhorn widths`: one per channel, then one per particle."""
        rows: list[dict[str, Any]] = [
            {
                "particle": row.particle,
                "channel": row.channel,
                "width_GeV": row.width,
                "branching_ratio": row.width / self.total_width(row.particle),
            }
            for row in self.widths()
        ]
        for particle in dict.fromkeys(row.particle for row in self.widths()):
            total = self.total_width(particle)
            rows.append({"particle": particle, "total_width_GeV": total, "ctau_cm": self.ctau(particle)})
        return rows
