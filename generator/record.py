"""The event record: which particles and vertices an event of one topology has, and the names of its columns.

A topology is data, not code: every writer, the validator and the readers work from it, so that a new process needs no
new writer. Columns of a topology (one array per column, one row per event):

    event_id u8, process_id i2, channel i2, target_pdg i4, region i1, weight f8 and its factors w_<name> f8,
    <role>_px, <role>_py, <role>_pz, <role>_e  f8  for every particle that is not at rest,
    <role>_pdg  i4  for every particle whose code differs from event to event,
    <vertex>_x, _y, _z (cm) and _t (ns)  f8  for every vertex position.
"""

from dataclasses import dataclass
from typing import Any

COMPONENTS = ("px", "py", "pz", "e")
AXES = ("x", "y", "z", "t")

# NuHepMC 1.0.0 status codes (V.R.1, P.R.1 of the specification) and ours, which are declared in every file.
FINAL, DECAYED, BEAM, TARGET, STRUCK = 1, 2, 4, 20, 21
PARTICLE_STATUS = {
    1: ("final", "Undecayed physical particle"),
    2: ("decayed", "Decayed physical particle"),
    3: ("documentation", "Documentation line"),
    4: ("beam", "Incoming beam particle"),
    20: ("target", "Target particle"),
    21: ("struck nucleon", "Nucleon of the target nucleus on which the scattering took place"),
}
PRIMARY_VERTEX, SEPARATION_VERTEX, HNL_DECAY_VERTEX, MEDIATOR_DECAY_VERTEX = 1, 21, 22, 23
VERTEX_STATUS = {
    1: ("primary", "Primary vertex: the scattering"),
    21: ("separation", "Separation of the struck nucleon from the target nucleus"),
    22: ("HNL decay", "Decay of the heavy neutral lepton"),
    23: ("mediator decay", "Decay of the dark boson"),
}
REMNANT_PDG = 2009900000  # NuHepMC P.C.2: what is left of a nucleus when it is not modelled


@dataclass(frozen=True)
class Particle:
    """One particle of a topology.

    role      prefix of its columns
    status    NuHepMC particle status
    produced  index of the vertex it comes out of, None for the beam and the target
    ends      index of the vertex it goes into, None if it leaves the event
    pdg       constant PDG code; None: column `<role>_pdg`
    mass      name of its mass in the header's `masses` (GeV), or None: column `<role>_mass`
    at_rest   it has no momentum columns: (mass, 0, 0, 0)
    """

    role: str
    status: int
    produced: int | None
    ends: int | None
    pdg: int | None = None
    mass: str | None = None
    at_rest: bool = False


@dataclass(frozen=True)
class Vertex:
    """One vertex of a topology: its NuHepMC status and the prefix of its position columns."""

    status: int
    position: str


@dataclass(frozen=True)
class Topology:
    """Particles and vertices of one kind of event. Vertices stand in the order of time."""

    name: str
    vertices: tuple[Vertex, ...]
    particles: tuple[Particle, ...]
    description: str

    @property
    def positions(self) -> tuple[str, ...]:
        """Prefixes of the position columns, each once, in order."""
        return tuple(dict.fromkeys(vertex.position for vertex in self.vertices))

    @property
    def primary(self) -> int:
        """Index of the primary vertex."""
        return next(i for i, vertex in enumerate(self.vertices) if vertex.status == PRIMARY_VERTEX)

    def particle(self, role: str) -> Particle:
        """The particle of that role; KeyError if there is none."""
        for particle in self.particles:
            if particle.role == role:
                return particle
        raise KeyError(role)

    def columns(self) -> tuple[str, ...]:
        """Names of the columns that this topology's particles and vertices need (weights and ids come on top)."""
        names: list[str] = []
        for particle in self.particles:
            if particle.pdg is None:
                names.append(f"{particle.role}_pdg")
            if particle.mass is None:
                names.append(f"{particle.role}_mass")
            if not particle.at_rest:
                names += [f"{particle.role}_{component}" for component in COMPONENTS]
        names += [f"{position}_{axis}" for position in self.positions for axis in AXES]
        return tuple(names)

    def to_json(self) -> dict[str, Any]:
        """As stored in every file, so that a file can be read by a darkhorn that does not know the process."""
        return {
            "name": self.name,
            "description": self.description,
            "vertices": [vars(vertex) for vertex in self.vertices],
            "particles": [vars(particle) for particle in self.particles],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Topology":
        """Inverse of `to_json`."""
        return cls(
            name=data["name"],
            description=data["description"],
            vertices=tuple(Vertex(**vertex) for vertex in data["vertices"]),
            particles=tuple(Particle(**particle) for particle in data["particles"]),
        )
