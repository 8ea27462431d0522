"""Records of dark-neutrino upscattering followed by N -> nu Z', Z' -> e+ e-."""

from darkhorn.generator.record import (
    BEAM,
    DECAYED,
    FINAL,
    HNL_DECAY_VERTEX,
    MEDIATOR_DECAY_VERTEX,
    PRIMARY_VERTEX,
    REMNANT_PDG,
    SEPARATION_VERTEX,
    STRUCK,
    TARGET,
    Particle,
    Topology,
    Vertex,
)


def _decay_chain(decay: int) -> tuple[Particle, ...]:
    """nu_out, Z', e-, e+ of the decay at vertex `decay`, with the Z' decaying at the next vertex."""
    return (
        Particle("nu_out", FINAL, produced=decay, ends=None, mass="neutrino"),
        Particle("zprime", DECAYED, produced=decay, ends=decay + 1, mass="zprime"),
        Particle("em", FINAL, produced=decay + 1, ends=None, pdg=11, mass="electron"),
        Particle("ep", FINAL, produced=decay + 1, ends=None, pdg=-11, mass="electron"),
    )


WHOLE_TARGET_ZPRIME_EE = Topology(
    name="whole_target_zprime_ee",
    description="nu A -> N A, then N -> nu Z' and Z' -> e+ e-; A is a nucleus that stays whole, or a free proton",
    vertices=(
        Vertex(PRIMARY_VERTEX, "scatter"),
        Vertex(HNL_DECAY_VERTEX, "decay"),
        Vertex(MEDIATOR_DECAY_VERTEX, "decay"),
    ),
    particles=(
        Particle("nu", BEAM, produced=None, ends=0, mass="neutrino"),
        Particle("target", TARGET, produced=None, ends=0, at_rest=True),
        Particle("n4", DECAYED, produced=0, ends=1, mass="n4"),
        Particle("recoil", FINAL, produced=0, ends=None),
        *_decay_chain(1),
    ),
)

NUCLEON_ZPRIME_EE = Topology(
    name="nucleon_zprime_ee",
    description="nu A -> N nucleon + remnant by scattering on one bound nucleon, then N -> nu Z' and Z' -> e+ e-",
    vertices=(
        Vertex(SEPARATION_VERTEX, "scatter"),
        Vertex(PRIMARY_VERTEX, "scatter"),
        Vertex(HNL_DECAY_VERTEX, "decay"),
        Vertex(MEDIATOR_DECAY_VERTEX, "decay"),
    ),
    particles=(
        Particle("target", TARGET, produced=None, ends=0, at_rest=True),
        Particle("struck", STRUCK, produced=0, ends=1),
        Particle("remnant", FINAL, produced=0, ends=None, pdg=REMNANT_PDG),
        Particle("nu", BEAM, produced=None, ends=1, mass="neutrino"),
        Particle("n4", DECAYED, produced=1, ends=2, mass="n4"),
        Particle("recoil", FINAL, produced=1, ends=None),
        *_decay_chain(2),
    ),
)

TOPOLOGIES = {topology.name: topology for topology in (WHOLE_TARGET_ZPRIME_EE, NUCLEON_ZPRIME_EE)}
