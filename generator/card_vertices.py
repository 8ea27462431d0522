"""Couplings given directly in a card, `model.vertices`, in place of those that mixings, gD, epsilon or theta make."""

import math
from typing import Annotated

from pydantic import Field

from darkhorn.generator.card_sections import Section
from darkhorn.generator.card_values import number

# |g|^2/4 pi = 1 is where perturbation theory has certainly ended.
Vertex = Annotated[float, number(low=-math.sqrt(4 * math.pi), high=math.sqrt(4 * math.pi))]


class ScalarVertices(Section):
    """Couplings of h' to ordinary matter, g h' fbar f, in place of those that theta makes."""

    e_S: Vertex | None = Field(None, description="to electrons", examples=[1.0e-4])
    mu_S: Vertex | None = Field(None, description="to muons")
    tau_S: Vertex | None = Field(None, description="to taus")
    p_S: Vertex | None = Field(None, description="to protons at rest")
    n_S: Vertex | None = Field(None, description="to neutrons at rest")


class VectorVertices(Section):
    """Couplings of Z': d Z'_mu nubar gamma^mu P_L N, and g Z'_mu fbar gamma^mu f.

    In place of d = -gD U, d_54 = gD U_D5 U_D4 and so on, and of g = e epsilon Q.
    """

    d_e4: Vertex | None = Field(None, description="nu_e and N4")
    d_mu4: Vertex | None = Field(None, description="nu_mu and N4", examples=[-2.8e-5])
    d_tau4: Vertex | None = Field(None, description="nu_tau and N4")
    d_e5: Vertex | None = Field(None, description="nu_e and N5 (needs m5)")
    d_mu5: Vertex | None = Field(None, description="nu_mu and N5 (needs m5)")
    d_tau5: Vertex | None = Field(None, description="nu_tau and N5 (needs m5)")
    d_e6: Vertex | None = Field(None, description="nu_e and N6 (needs m6)")
    d_mu6: Vertex | None = Field(None, description="nu_mu and N6 (needs m6)")
    d_tau6: Vertex | None = Field(None, description="nu_tau and N6 (needs m6)")
    d_54: Vertex | None = Field(None, description="N5 and N4 (needs m5)")
    d_64: Vertex | None = Field(None, description="N6 and N4 (needs m6)")
    d_65: Vertex | None = Field(None, description="N6 and N5 (needs m6)")
    e_V: Vertex | None = Field(None, description="electrons", examples=[-2.4e-4])
    mu_V: Vertex | None = Field(None, description="muons")
    tau_V: Vertex | None = Field(None, description="taus")
    p_V: Vertex | None = Field(None, description="protons: a nucleus has Z p_V + N n_V")
    n_V: Vertex | None = Field(None, description="neutrons; 0 unless given")
