"""Visible variables of an event with a pair e+ e-: names, units and definitions, in one place."""

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from darkhorn.generator.record import Topology
from darkhorn.kernels.errors import InputError, did_you_mean

# name: (unit, description)
VARIABLES: dict[str, tuple[str, str]] = {
    "e_ee": ("GeV", "energy of the pair, E- + E+"),
    "cos_theta_ee": ("", "cosine of the angle between the momentum of the pair and the z axis of the detector"),
    "asymmetry": ("", "sharing of the energy, |E- - E+| / (E- + E+)"),
    "opening_angle": ("rad", "angle between electron and positron"),
    "mass_ee": ("GeV", "invariant mass of the pair"),
    "decay_x": ("cm", "x of the vertex of the pair, in the frame of the detector"),
    "decay_y": ("cm", "y of the vertex of the pair, in the frame of the detector"),
    "decay_z": ("cm", "z of the vertex of the pair, in the frame of the detector"),
}
DEFAULT = ("e_ee", "cos_theta_ee", "asymmetry", "opening_angle")
MOMENTA = tuple(f"{role}_{component}" for role in ("em", "ep") for component in ("e", "px", "py", "pz"))
VERTEX = ("decay_x", "decay_y", "decay_z")


def check_variables(names: Sequence[str], where: str = "--in") -> tuple[str, ...]:
    """The names as a tuple, if they are distinct names of variables; InputError otherwise."""
    if not names:
        raise InputError(where, "no variable", ", ".join(VARIABLES), f"For example {','.join(DEFAULT)}.")
    for name in names:
        if name not in VARIABLES:
            do = did_you_mean(name, list(VARIABLES)).strip() or "Choose from these."
            raise InputError(where, name, ", ".join(VARIABLES), do)
    if len(set(names)) != len(names):
        raise InputError(where, ", ".join(names), "every variable once", "Remove the repeated one.")
    return tuple(names)


def check_pair(topologies: Iterable[Topology], where: str) -> None:
    """Raise InputError unless every topology has one pair, an electron `em` and a positron `ep`, made at `decay`."""
    for topology in topologies:
        roles = {particle.role: particle for particle in topology.particles}
        em, reason = roles.get("em"), ""
        if em is None or "ep" not in roles or em.pdg != 11 or em.produced is None:
            reason = "without a pair e+ e- of the roles em, ep"
        elif "em2" in roles:
            reason = "with two pairs"
        elif topology.vertices[em.produced].position != "decay":
            reason = "whose pair is not made at the vertex `decay`"
        if reason:
            found = f"events of the kind {topology.name}, {reason}"
            raise InputError(where, found, "events with one pair e+ e-", "Visible variables are those of a pair.")


def visible(columns: Mapping[str, Any], lepton_mass: Any, xp: ModuleType = np) -> dict[str, Any]:
    """{name: array} of all `VARIABLES` from columns of events; `cos_decay` and `backward` = 1 - cos_theta_ee besides.

    columns: `MOMENTA` in GeV; those of `VERTEX` that are there are passed on. `xp` is `numpy` or `jax.numpy`.
    Formulas: `kernels.visible.pair_observables`.
    """
    from darkhorn.kernels.kinematics import FourVector
    from darkhorn.kernels.visible import pair_observables

    em, ep = (FourVector(*(columns[f"{role}_{c}"] for c in ("e", "px", "py", "pz"))) for role in ("em", "ep"))
    found = pair_observables(em, ep, lepton_mass, xp)
    return {
        "e_ee": found.energy,
        "cos_theta_ee": 1 - found.backward,
        "asymmetry": found.asymmetry,
        "opening_angle": found.opening,
        "mass_ee": found.mass,
        "cos_decay": found.cos_decay,
        "backward": found.backward,
        **{name: columns[name] for name in VERTEX if name in columns},
    }
