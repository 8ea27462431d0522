"""The single dark neutrino: couplings, widths and branching ratios as a pure function of the model's parameters.

`model` is a pytree of arrays: m4, mzprime (GeV), mixing_sq (3,) = (|U_e4|^2, |U_mu4|^2, |U_tau4|^2), epsilon, gD,
majorana (0 or 1). The same function serves the host (widths, header) and the compiled chain (gradients, scans).
"""

from typing import Any

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Params
from darkhorn.kernels.constants import (
    ELECTRIC_CHARGE,
    HBAR_C,
    MASS_ELECTRON,
    MASS_MUON,
    MASS_PION,
    WEAK_NEUTRAL_COUPLING,
)
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.flight import ctau
from darkhorn.kernels.matrix_elements.neutral_decays import (
    width_three_neutrinos,
    width_to_vector,
    width_vector_to_leptons,
    width_vector_to_neutrinos,
    width_weak_dilepton,
)
from darkhorn.kernels.matrix_elements.upscattering import Vertices

LEPTONS = {"e": MASS_ELECTRON, "mu": MASS_MUON}
Widths = dict[str, dict[str, jax.Array]]  # particle -> channel -> partial width, GeV


def model_of(card: Any) -> dict[str, jax.Array]:
    """Parameters of a checked card's model. Raises InputError where this version has no physics for it."""
    m = card.model
    if m.mzprime > 2 * MASS_PION:
        raise InputError(
            "model.mzprime",
            f"{1e3 * m.mzprime:g} MeV",
            f"up to two charged-pion masses, {2e3 * MASS_PION:.2f} MeV",
            "Above, the Z' decays to hadrons as well, which this version does not have.",
        )
    numbers = {
        "m4": m.m4,
        "mzprime": m.mzprime,
        "mixing_sq": (m.ue4_sq, m.umu4_sq, m.utau4_sq),
        "epsilon": m.epsilon,
        "gD": m.gD,
        "majorana": float(m.hnl == "majorana"),
    }
    return {key: jnp.asarray(value, jnp.float64) for key, value in numbers.items()}


def partial_widths(model: Params) -> Widths:
    """Partial widths (GeV) of N4 and Z' in every channel; zero where closed. Scalars; differentiable."""
    m4, mz, majorana = model["m4"], model["mzprime"], model["majorana"]
    mixing_sq = model["mixing_sq"]
    total_mixing = jnp.sum(mixing_sq)
    charge = ELECTRIC_CHARGE * model["epsilon"]
    n4 = {"nu Zprime": width_to_vector(m4, jnp.zeros_like(m4), mz, model["gD"] * jnp.sqrt(total_mixing), majorana)}
    zprime = {}
    for flavour, (name, mass) in enumerate(LEPTONS.items()):
        lepton = jnp.full_like(m4, mass)
        same = mixing_sq[flavour]
        n4[f"nu {name}+ {name}- (W, Z)"] = width_weak_dilepton(m4, lepton, same, total_mixing - same, majorana)
        zprime[f"{name}+ {name}-"] = width_vector_to_leptons(mz, lepton, charge)
    n4["nu nu nu (Z)"] = width_three_neutrinos(m4, total_mixing, majorana)
    zprime["nu nu"] = width_vector_to_neutrinos(mz, model["gD"] * total_mixing)
    return {"N4": n4, "Zprime": zprime}


def total_width(widths: Widths, particle: str) -> jax.Array:
    """Sum of the partial widths of a particle, GeV."""
    return sum(widths[particle].values(), jnp.zeros(()))


def prepare(params: Params) -> Params:
    """What the stages of the dark-neutrino chain read, from what a card sets.

    params: `model`; of the channel: `flavour` (3,) one at the projectile's, `charge` and `weak_charge` of the
    scatterer (units e and g/2c_W; of a nucleon: 1 and 1), `z_exchange` (0 or 1), `q2_scale` (GeV^2), `signs` (2,)
    shares of N -> nu and N -> nubar. Both leptonic vertices carry a minus sign (paper notation: d = -g_D U, c =
    -(g/2c_W) U), so that epsilon > 0 makes the interference of Z' and Z on nuclei destructive.
    """
    model = params["model"]
    widths = partial_widths(model)
    n4_total, zprime_total = total_width(widths, "N4"), total_width(widths, "Zprime")
    share = model["mixing_sq"] / jnp.sum(model["mixing_sq"])
    own = jnp.sum(params["flavour"] * model["mixing_sq"])
    mixing = jnp.where(own > 0, jnp.sqrt(jnp.where(own > 0, own, 1.0)), 0.0)
    mz2 = model["mzprime"] * model["mzprime"]
    scale = params["q2_scale"]
    return {
        **params,
        "m_n": model["m4"],
        "m_zprime": model["mzprime"],
        "majorana": model["majorana"],
        "ctau_n": ctau(n4_total),
        "branching": widths["N4"]["nu Zprime"] / n4_total * widths["Zprime"]["e+ e-"] / zprime_total,
        "vertices": Vertices(
            -model["gD"] * mixing,
            ELECTRIC_CHARGE * model["epsilon"] * params["charge"],
            -WEAK_NEUTRAL_COUPLING * mixing * params["z_exchange"],
            WEAK_NEUTRAL_COUPLING * params["weak_charge"],
        ),
        "flavour_share": jnp.concatenate([share * params["signs"][0], share * params["signs"][1]]),
        # where the propagator or the form factor falls off, whichever is first; fixed under differentiation, as it
        # only steers
        "q2_pole": jax.lax.stop_gradient(mz2 * scale / (mz2 + scale)),
    }


def width_rows(model: Params) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`: one per open channel, then one per particle."""
    widths = partial_widths(model)
    rows: list[dict[str, Any]] = []
    for particle, channels in widths.items():
        total = float(total_width(widths, particle))
        rows += [
            {"particle": particle, "channel": name, "width_GeV": float(w), "branching_ratio": float(w) / total}
            for name, w in channels.items()
            if w > 0
        ]
    for particle in widths:
        total = float(total_width(widths, particle))
        rows.append({"particle": particle, "total_width_GeV": total, "ctau_cm": HBAR_C / total})
    return rows
