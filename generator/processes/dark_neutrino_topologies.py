"""Records of dark-neutrino upscattering followed by one or two decays to a pair of leptons: one topology per kind of
event.

Roles: nu, target, [struck, remnant], the state that the beam makes (n4, n5 or n6), recoil, its daughter (nu_out, or a
lighter state), [zprime], em, ep: the negative and the positive lepton, electrons or muons. A second decay adds its
daughter, [zprime2], em2, ep2.
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

FLIES = " at a place of its own (physics.zprime_flight)"
LEPTON = {"e+e-": (11, "electron", "ee"), "mu+mu-": (13, "muon", "mumu")}


@lru_cache
def topology(
    bound: bool,
    states: tuple[str, ...] = ("n4", "nu_out"),
    pairs: tuple[str, ...] = ("e+e-",),
    on_shell: tuple[bool, ...] = (True,),
    displaced: bool = False,
    broad: bool = False,
) -> Topology:
    """Record of scattering on a whole target (or on one `bound` nucleon) that makes `states[0]`, which decays to
    states[1] and the pair pairs[0], that one to states[2] and pairs[1], by a Z' on shell or not; a `displaced` one
    decays at a place of its own, a `broad` state has a mass in every event.
    """
    first = 1 if bound else 0  # index of the scattering vertex
    vertices = [Vertex(PRIMARY_VERTEX, "scatter")]
    particles = [Particle("nu", BEAM, produced=None, ends=first, mass="neutrino")]
    target = Particle("target", TARGET, produced=None, ends=0, at_rest=True)
    if bound:
        vertices.insert(0, Vertex(SEPARATION_VERTEX, "scatter"))
        struck = Particle("struck", STRUCK, produced=0, ends=1)
        particles = [target, struck, Particle("remnant", FINAL, produced=0, ends=None, pdg=REMNANT_PDG), *particles]
    else:
        particles.append(target)
    particles += [
        Particle(states[0], DECAYED, produced=first, ends=first + 1, mass=None if broad else states[0]),
        Particle("recoil", FINAL, produced=first, ends=None),
    ]
    text = []
    for step, (daughter, pair, real) in enumerate(zip(states[1:], pairs, on_shell, strict=True)):
        number = "2" if step else ""
        decay, last = len(vertices), step == len(pairs) - 1
        at = decay + 1 if real else decay  # the vertex of the pair
        vertices.append(Vertex(HNL_DECAY_VERTEX, f"decay{number}"))
        mass = "neutrino" if daughter == "nu_out" else daughter
        status = FINAL if last else DECAYED
        ends = None if last else at + 1
        particles.append(Particle(daughter, status, produced=decay, ends=ends, mass=mass))
        pdg, lepton, _ = LEPTON[pair]
        boson, words = f"zprime{number}", pair.replace("-", " ").replace("+", "+ ", 1).split()
        final = f"{words[0]} {words[1]}-"
        if real:
            vertices.append(Vertex(MEDIATOR_DECAY_VERTEX, "zprime_decay" if displaced else f"decay{number}"))
            particles.append(Particle(boson, DECAYED, produced=decay, ends=at, mass="zprime"))
            final = f"Z', Z' -> {final}{FLIES if displaced else ''}"
        particles += [
            Particle(f"em{number}", FINAL, produced=at, ends=None, pdg=pdg, mass=lepton),
            Particle(f"ep{number}", FINAL, produced=at, ends=None, pdg=-pdg, mass=lepton),
        ]
        text.append(f"{states[step].upper()} -> {'nu' if daughter == 'nu_out' else daughter.upper()} {final}")
    struck_text = (
        "nu A -> N nucleon + remnant on one bound nucleon"
        if bound
        else "nu A -> N A, A a whole nucleus or a free proton"
    )
    return Topology(
        name=_name(bound, states, pairs, on_shell) + "_displaced" * displaced + "_broad" * broad,
        description=f"{struck_text}, then {', '.join(text)}",
        vertices=tuple(vertices),
        particles=tuple(particles),
    )


def _name(bound: bool, states: tuple[str, ...], pairs: tuple[str, ...], on_shell: tuple[bool, ...]) -> str:
    """Such as `whole_target_zprime_ee`; `dual` stands for N5 -> N4, and N4 -> nu is not named."""
    short: dict[tuple[str, ...], str] = {("n4", "nu_out"): "", ("n5", "n4"): "_dual"}
    states_text = short.get(states, "_" + "_".join(states).replace("nu_out", "nu"))
    boson = "".join(f"_zprime{'2' * step}" for step, real in enumerate(on_shell) if real)
    finals = "".join(f"_{LEPTON[pair][2]}" for pair in pairs)
    return f"{'nucleon' if bound else 'whole_target'}{states_text}{boson}{finals}"


WHOLE_TARGET_ZPRIME_EE = topology(bound=False)
NUCLEON_ZPRIME_EE = topology(bound=True)
