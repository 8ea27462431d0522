"""Records of dark-neutrino upscattering followed by the decay to an e+ e- pair: one topology per kind of event.

Roles: nu, target, [struck, remnant], the state that the beam makes (n4, or n5 with two states), recoil, its daughter
(nu_out, or n4), [zprime], em, ep.
"""

from functools import lru_cache

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


@lru_cache
def topology(bound: bool, dual: bool, on_shell: bool) -> Topology:
    """Record of scattering on a whole target (or on one `bound` nucleon), of one state or two (`dual`), with the Z'
    on shell or not.
    """
    made, daughter = ("n5", "n4") if dual else ("n4", "nu_out")
    first = 1 if bound else 0  # index of the scattering vertex
    decay = first + 1
    pair = decay + 1 if on_shell else decay
    vertices = [Vertex(PRIMARY_VERTEX, "scatter"), Vertex(HNL_DECAY_VERTEX, "decay")]
    particles = [Particle("nu", BEAM, produced=None, ends=first, mass="neutrino")]
    target = Particle("target", TARGET, produced=None, ends=0, at_rest=True)
    if bound:
        vertices.insert(0, Vertex(SEPARATION_VERTEX, "scatter"))
        struck = Particle("struck", STRUCK, produced=0, ends=1)
        particles = [target, struck, Particle("remnant", FINAL, produced=0, ends=None, pdg=REMNANT_PDG), *particles]
    else:
        particles.append(target)
    particles += [
        Particle(made, DECAYED, produced=first, ends=decay, mass=made),
        Particle("recoil", FINAL, produced=first, ends=None),
        Particle(daughter, FINAL, produced=decay, ends=None, mass="n4" if dual else "neutrino"),
    ]
    if on_shell:
        vertices.append(Vertex(MEDIATOR_DECAY_VERTEX, "decay"))
        particles.append(Particle("zprime", DECAYED, produced=decay, ends=pair, mass="zprime"))
    particles += [
        Particle("em", FINAL, produced=pair, ends=None, pdg=11, mass="electron"),
        Particle("ep", FINAL, produced=pair, ends=None, pdg=-11, mass="electron"),
    ]
    struck_text = (
        "nu A -> N nucleon + remnant on one bound nucleon"
        if bound
        else "nu A -> N A, A a whole nucleus or a free proton"
    )
    decay_text = f"{made.upper()} -> {'N4' if dual else 'nu'} {'Z`, Z` -> e+ e-' if on_shell else 'e+ e-'}".replace(
        "`", "'"
    )
    kind = "nucleon" if bound else "whole_target"
    return Topology(
        name=f"{kind}{'_dual' if dual else ''}{'_zprime' if on_shell else ''}_ee",
        description=f"{struck_text}, then {decay_text}",
        vertices=tuple(vertices),
        particles=tuple(particles),
    )


WHOLE_TARGET_ZPRIME_EE = topology(bound=False, dual=False, on_shell=True)
NUCLEON_ZPRIME_EE = topology(bound=True, dual=False, on_shell=True)
