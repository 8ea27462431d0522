"""The process "broad-pair": e+ e- pairs from a broad density, at vertices uniform in `decay_in`.

No physics: the sample that `darkhorn reweight --to` weights to any model (docs/visible_reweighting.md). All weights are
equal and add up to 1 in the exposure of the card.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.generator.chain import Chain, Params, Stage, State
from darkhorn.generator.channel import Build, Channel, Process, register
from darkhorn.generator.experiment import experiment
from darkhorn.generator.record import BEAM, FINAL, PRIMARY_VERTEX, REMNANT_PDG, TARGET, Particle, Topology, Vertex
from darkhorn.generator.runcard import RunCard
from darkhorn.generator.stages import proton_time
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.constants import MASS_ELECTRON, SPEED_OF_LIGHT
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.pair_proposal import PairProposal, PairUniforms, sample_pair

PROCESS_ID = 799
RATE = 1.0  # what the weights of a sample add up to
TOPOLOGY = Topology(
    name="broad_pair_ee",
    description="a pair e+ e- from a broad density; the target nucleus stays at rest",
    vertices=(Vertex(PRIMARY_VERTEX, "decay"),),
    particles=(
        Particle("pair", BEAM, produced=None, ends=0),
        Particle("target", TARGET, produced=None, ends=0, at_rest=True),
        Particle("remnant", FINAL, produced=0, ends=None, pdg=REMNANT_PDG, at_rest=True),
        Particle("em", FINAL, produced=0, ends=None, pdg=11, mass="electron"),
        Particle("ep", FINAL, produced=0, ends=None, pdg=-11, mass="electron"),
    ),
)


def _vertex(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Decay point uniform in `decay_region`; the factor is the share of this volume in those of `decay_in`."""
    x, y, z = params["decay_region"].sample_uniform(u[0], u[1], u[2])
    return {"decay_x": x, "decay_y": y, "decay_z": z}, params["share"]


def _pair(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """The pair, about the z axis of the detector. No factor: it is drawn from its density. params: `proposal`,
    `m_lepton`.
    """
    em, ep = sample_pair(PairUniforms(*u), params["proposal"], params["m_lepton"])
    pair = em.plus(ep)
    square = (pair.e - pair.p.norm()) * (pair.e + pair.p.norm())
    columns = {"pair_mass": jnp.sqrt(jnp.maximum(square, 0.0))}
    for role, p in (("pair", pair), ("em", em), ("ep", ep)):
        columns |= {f"{role}_px": p.x, f"{role}_py": p.y, f"{role}_pz": p.z, f"{role}_e": p.e}
    return columns, None


def _time(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Time at which light from the target reaches the vertex. No factor. params: `spill`, `origin` (3,) cm of the
    beam.
    """
    vertex = Vector(state["decay_x"], state["decay_y"], state["decay_z"])
    flown = Vector(*(v - params["origin"][i] for i, v in enumerate(vertex))).norm()
    return {"decay_t": proton_time(params, u[0]) + flown / SPEED_OF_LIGHT}, None


CHAIN = Chain(
    (
        Stage("vertex", ("x", "y", "z"), _vertex),
        Stage(
            "pair",
            ("mass", "energy", "polar", "azimuth", "lepton", "lepton_azimuth"),
            _pair,
            adapt=("mass",),
            weighs=False,
        ),
        Stage("time", ("proton",), _time, weighs=False),
    )
)
_MOMENTA = tuple(f"{role}_{c}" for role in ("pair", "em", "ep") for c in ("px", "py", "pz", "e"))
STORED = ("decay_x", "decay_y", "decay_z", "decay_t", "pair_mass", *_MOMENTA, "w_vertex", "w_sampling", "weight")


def proposal_of(card: RunCard) -> PairProposal:
    """The density of the card's pairs."""
    return PairProposal(**{name: np.asarray(getattr(card.model, name)) for name in PairProposal._fields})


def build(card: RunCard) -> Build:
    """One channel for each volume of `decay_in`."""
    if set(card.regions) != set(card.decay_in):
        wanted = ", ".join(card.decay_in)
        do = f"Write `regions: [{wanted}]`: this model has no scattering, only vertices in `decay_in`."
        raise InputError("regions", ", ".join(card.regions), wanted, do)
    exp = experiment(card)
    code = card.output.pdg_map["Pair"]
    common = {
        "proposal": proposal_of(card),
        "m_lepton": np.asarray(MASS_ELECTRON),
        "spill": exp.spill,
        "origin": next(iter(exp.beam.values()))["origin"],
    }
    shapes = {name: exp.detector.volumes[name].shape for name in card.decay_in}
    whole = sum(float(shape.volume()) for shape in shapes.values())
    channels = []
    for index, name in enumerate(card.regions):
        atoms = exp.scatterers(name)
        target = nuclide(max(atoms, key=lambda nucleus: atoms[nucleus]))
        constants: dict[str, np.generic] = {
            "process_id": np.int16(PROCESS_ID),
            "region": np.int8(index),
            "pair_pdg": np.int32(code),
            "target_pdg": np.int32(target.pdg),
            "target_mass": np.float64(target.mass),
            "remnant_mass": np.float64(target.mass),
        }
        share = np.asarray(float(shapes[name].volume()) / whole)
        channels.append(
            Channel(
                name=f"pair/{name}",
                chain=CHAIN,
                params={**common, "decay_region": shapes[name], "share": share},
                topology=TOPOLOGY,
                process_id=PROCESS_ID,
                projectile_pdg=code,
                target=target.name,
                target_pdg=target.pdg,
                regime="none",
                helicity="none",
                region=name,
                constants=constants,
                columns=STORED,
                can_miss=False,
                target_fraction=1.0,
            )
        )
    text = "pair e+ e- of a broad density: no particle of nature"
    particle = {"pdg": code, "name": "Pair", "mass": 0.0, "charge": 0, "width": 0.0, "two_spin": 2, "role": "pair"}
    process = {"id": PROCESS_ID, "name": "broad e+ e- pair", "description": "a sample to be reweighted", "arxiv": []}
    return Build(
        channels=tuple(channels),
        masses={"electron": MASS_ELECTRON},
        particles=[{**particle, "description": text}],
        processes=[process],
        regions=list(card.regions),
        flux={},
        detector={
            "name": exp.detector.name,
            "origin_cm": list(exp.detector.origin_cm),
            "rotation": [list(row) for row in exp.detector.rotation],
            "baseline_cm": exp.detector.baseline_cm,
        },
        rays=exp.ray_record,
        citations=("darkhorn", "NuHepMC:2023"),
        cross_section=_no_cross_section,
    )


def _no_cross_section(*_: Any) -> Any:
    do = "Reweight its events to a model with `darkhorn reweight FILE --to CARD`."
    raise InputError("model.name", "broad-pair, which has no cross sections", "a model of physics", do)


def widths(card: RunCard) -> list[dict[str, Any]]:
    """No state decays."""
    return []


def _no_points(_: Any) -> Any:
    raise InputError("model.name", "broad-pair, whose rate is no physics", "a model of physics", "Scan another card.")


register(Process("broad-pair", build, widths, _no_cross_section, _no_points))
