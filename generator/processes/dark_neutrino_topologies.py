"""Records of dark-neutrino upscattering followed by one or two decays to a pair of leptons or a photon: one topology
per kind of event.

Roles: nu, target, [struck, remnant], the state that the beam makes (n4, n5 or n6), recoil, its daughter (nu_out, or a
lighter state), [zprime or hprime], em, ep: the negative and the positive lepton, electrons or muons; or gamma. A second
decay adds its daughter, [zprime2 or hprime2], em2, ep2 or gamma2.
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
SYMBOL = {"zprime": "Z'", "hprime": "h'"}  # of a boson on shell, by its role
LEPTON = {"e+e-": (11, "electron", "ee"), "mu+mu-": (13, "muon", "mumu")}


@lru_cache
def topology(
    bound: bool,
    states: tuple[str, ...] = ("n4", "nu_out"),
    finals: tuple[str, ...] = ("e+e-",),
    bosons: tuple[str, ...] = ("zprime",),
    displaced: bool = False,
    broad: bool = False,
) -> Topology:
    """Record of scattering on a whole target (or on one `bound` nucleon) that makes `states[0]`, which decays to
    states[1] and finals[0] (a pair or "gamma"), that one to states[2] and finals[1], by a boson on shell of the role
    bosons[0] (bosons[1]) or by none (""); a `displaced` one decays at a place of its own, a `broad` state has a mass in
    every event.
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
    for step, (daughter, final, boson) in enumerate(zip(states[1:], finals, bosons, strict=True)):
        number = "2" if step else ""
        decay, last = len(vertices), step == len(finals) - 1
        at = decay + 1 if boson else decay  # the vertex of what is seen
        vertices.append(Vertex(HNL_DECAY_VERTEX, f"decay{number}"))
        mass = "neutrino" if daughter == "nu_out" else daughter
        status = FINAL if last else DECAYED
        ends = None if last else at + 1
        particles.append(Particle(daughter, status, produced=decay, ends=ends, mass=mass))
        words = _words(final)
        if boson:
            vertices.append(Vertex(MEDIATOR_DECAY_VERTEX, "zprime_decay" if displaced else f"decay{number}"))
            particles.append(Particle(f"{boson}{number}", DECAYED, produced=decay, ends=at, mass=boson))
            words = f"{SYMBOL[boson]}, {SYMBOL[boson]} -> {words}{FLIES if displaced else ''}"
        if final == "gamma":
            particles.append(Particle(f"gamma{number}", FINAL, produced=at, ends=None, pdg=22, mass="photon"))
        else:
            pdg, lepton, _ = LEPTON[final]
            particles += [
                Particle(f"em{number}", FINAL, produced=at, ends=None, pdg=pdg, mass=lepton),
                Particle(f"ep{number}", FINAL, produced=at, ends=None, pdg=-pdg, mass=lepton),
            ]
        text.append(f"{states[step].upper()} -> {'nu' if daughter == 'nu_out' else daughter.upper()} {words}")
    struck_text = (
        "nu A -> N nucleon + remnant on one bound nucleon"
        if bound
        else "nu A -> N A, A a whole nucleus or a free proton"
    )
    return Topology(
        name=_name(bound, states, finals, bosons) + "_displaced" * displaced + "_broad" * broad,
        description=f"{struck_text}, then {', '.join(text)}",
        vertices=tuple(vertices),
        particles=tuple(particles),
    )


def _words(final: str) -> str:
    """e+ e- for e+e-."""
    return final.replace("-", "").replace("+", "+ ") + "-" if final in LEPTON else final


def _name(bound: bool, states: tuple[str, ...], finals: tuple[str, ...], bosons: tuple[str, ...]) -> str:
    """Such as `whole_target_zprime_ee`; `dual` stands for N5 -> N4, and N4 -> nu is not named."""
    short: dict[tuple[str, ...], str] = {("n4", "nu_out"): "", ("n5", "n4"): "_dual"}
    states_text = short.get(states, "_" + "_".join(states).replace("nu_out", "nu"))
    boson = "".join(f"_{name}{'2' * step}" for step, name in enumerate(bosons) if name)
    seen = "".join("_gamma" if final == "gamma" else f"_{LEPTON[final][2]}" for final in finals)
    return f"{'nucleon' if bound else 'whole_target'}{states_text}{boson}{seen}"


WHOLE_TARGET_ZPRIME_EE = topology(bound=False)
NUCLEON_ZPRIME_EE = topology(bound=True)
