"""The chains of dark neutrinos, with any mediator: stages put in order for a form of decay and a way of sampling."""

from collections.abc import Sequence
from functools import lru_cache

import jax

from darkhorn.generator.chain import Chain, Params, Stage, State
from darkhorn.generator.processes.dark_neutrino_cascade import (
    ESCAPE_FORCED,
    ESCAPE_FREE,
    SECOND_FORCED,
    SECOND_FREE,
    second_decay,
)
from darkhorn.generator.processes.dark_neutrino_displaced import (
    BACKTRACK_FLIGHTS,
    FLIGHTS_FORCED,
    FLIGHTS_FREE,
    LOCAL,
    ZPRIME_TIME,
)
from darkhorn.generator.processes.dark_neutrino_line_shape import LINE_SHAPE, at_mass
from darkhorn.generator.processes.dark_neutrino_nucleons import GAS_MOMENTA, GAS_SCATTERING, RESPONSE
from darkhorn.generator.processes.dark_neutrino_paths import READS, Form, Path, form_of, prepare
from darkhorn.generator.processes.dark_neutrino_stages import AIM, FIRST_DECAY, MOMENTA, SCATTERING
from darkhorn.generator.processes.dark_neutrino_states import States, Step
from darkhorn.generator.processes.dark_neutrino_targets import Motion
from darkhorn.generator.stages import (
    BACKTRACK,
    DECAY_FORCED,
    DECAY_FREE,
    DECAY_PLACE,
    FLUX,
    LINE_OF_SIGHT,
    SIGHT_OF_DECAY,
    TARGETS,
    TIME,
)

STORED = (
    "energy", "q2", "scatter_x", "scatter_y", "scatter_z", "scatter_t", "decay_x", "decay_y", "decay_z", "decay_t",
)  # fmt: skip
PRODUCTS: dict[Step, tuple[str, ...]] = {  # of a decay, beside the daughter: their roles
    "vector": ("zprime", "em", "ep"),
    "scalar": ("hprime", "em", "ep"),
    "pair": ("em", "ep"),
    "photon": ("gamma",),
}
Names = tuple[tuple[str, str], ...]  # (role in the program, role in the file)


def roles_of(path: Path) -> tuple[str, ...]:
    """Roles in the file of what the beam makes and of the daughter of every step."""
    return tuple("nu_out" if name == "nu" else name.lower() for name in (path.produced, *path.daughters))


def names_of(path: Path) -> Names:
    """Which role of the program becomes which of the file, where they differ."""
    pairs = zip(("n4", "nu_out", "second_out"), roles_of(path), strict=False)
    return tuple((program, file) for program, file in pairs if program != file)


@lru_cache
def names_stage(names: Names) -> Stage:
    """The last stage of a chain: the names of the record for those of the program. No factor."""

    def run(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
        parts = ("px", "py", "pz", "e", "pdg", "mass")
        found = {
            f"{file}_{part}": state[f"{program}_{part}"]
            for program, file in names
            for part in parts
            if f"{program}_{part}" in state
        }
        return found, None

    def restore(state: State) -> State:
        """The names of the program for those of the record; what they were called before stands no more."""
        parts = ("px", "py", "pz", "e", "pdg", "mass")
        found = {
            f"{program}_{part}": state[f"{file}_{part}"]
            for program, file in names
            for part in parts
            if f"{file}_{part}" in state
        }
        return {**state, **found}

    return Stage("names", (), run, weighs=False, restore=restore)


def scattering_of(motion: Motion) -> tuple[tuple[Stage, ...], Stage]:
    """The stages of the scattering, with any mediator, and the one that makes the momenta of the scatterer."""
    if motion == "gas":
        return (GAS_SCATTERING,), GAS_MOMENTA
    return (SCATTERING, RESPONSE) if motion == "response" else (SCATTERING,), MOMENTA


@lru_cache
def chain_of(scheme: States, form: Form, mode: str, names: Names = (), motion: Motion = "rest") -> Chain:
    """The chain of a form of decay, in one of three modes: one object each, so that channels share their programs.

    `motion` is that of the scatterer (`dark_neutrino_targets.motion_of`).

    forced    scattering point first, then the flight, which ends inside the volume of decay
    free      the same, but the decay is where the exponential law puts it
    backward  decay point first, so that every event decays where it is asked for, however far away it was made
    """
    products = FIRST_DECAY[form.steps[0]]
    scattering, momenta = scattering_of(motion)
    forward = (FLUX, TARGETS, LINE_OF_SIGHT, *scattering, AIM, momenta, products)
    kinds: dict[str, tuple[Stage, ...]] = {
        "forced": (*forward, DECAY_FORCED, TIME),
        "free": (*forward, DECAY_FREE, TIME),
        "backward": (FLUX, DECAY_PLACE, SIGHT_OF_DECAY, *scattering, BACKTRACK, momenta, products, TIME),
    }
    if form.displaced:
        backward = (FLUX, DECAY_PLACE, SIGHT_OF_DECAY, *scattering, LOCAL, AIM, momenta, products, BACKTRACK_FLIGHTS)
        kinds = {
            "forced": (*forward, FLIGHTS_FORCED, TIME, ZPRIME_TIME),
            "free": (*forward, FLIGHTS_FREE, TIME, ZPRIME_TIME),
            "backward": (*backward, TIME, ZPRIME_TIME),
        }
    stages = kinds[mode]
    if len(form.steps) == 2:
        second = second_decay(scheme.mediator, *form.steps)
        stages = (*stages, second, SECOND_FREE if mode == "free" else SECOND_FORCED)
    if form.escapes:
        stages = (*stages, ESCAPE_FREE if mode == "free" else ESCAPE_FORCED)
    if form.line_shape:
        stages = (stages[0], LINE_SHAPE, *(at_mass(stage) for stage in stages[1:]))
    if names:
        stages = (*stages, names_stage(names))
    return Chain(stages, prepare(scheme, form), READS[scheme.mediator])


def stored_columns(scheme: States, path: Path, chain: Chain, forced: bool, gas: bool) -> tuple[str, ...]:
    """Columns of the chain that go to the file."""
    made, *daughters = roles_of(path)
    nuclear = ["struck", "remnant"] if gas else []
    roles, flags, codes = ["nu", *nuclear, "recoil", made], [], []
    form = form_of(path, scheme)
    for number, daughter, step in zip(("", "2"), daughters, form.steps, strict=False):
        roles += [daughter, *(f"{role}{number}" for role in PRODUCTS[step])]
        codes.append(f"{daughter}_pdg")
        flags.append(f"decay{number}_inside")
    momenta = tuple(f"{role}_{component}" for role in roles for component in ("px", "py", "pz", "e"))
    second = tuple(f"decay2_{axis}" for axis in "xyzt") if len(daughters) == 2 else ()
    if form.displaced:
        second, flags = tuple(f"zprime_decay_{axis}" for axis in "xyzt"), [*flags, "zprime_decay_inside"]
    mass = (f"{made}_mass",) if form.line_shape else ()
    return (
        *STORED,
        *second,
        *codes,
        *mass,
        *(f"{role}_mass" for role in nuclear),
        *momenta,
        *(() if forced else flags),
        *chain.factors,
        "w_sampling",
        "weight",
    )
