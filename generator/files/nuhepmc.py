"""Run-level attributes of NuHepMC 1.0.0 (arXiv:2310.13211) and of darkhorn, as text of a HepMC3 ASCII file."""

import json
from typing import Any

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import factor_columns
from darkhorn.generator.files.cross_sections import flux_averaged_total, has_tables, target_fractions
from darkhorn.generator.files.text import float_text
from darkhorn.generator.header import Header
from darkhorn.generator.record import PARTICLE_STATUS, REMNANT_PDG, STRUCK, VERTEX_STATUS

VERSION = (1, 0, 0)
CV = "CV"
CV_MEANING = (
    "Event rate: the sum of CV over the file is the expected number of events in NuHepMC.Exposure.POT. "
    "CV already holds 1/N of the number of generated events; do not divide by it again."
)
FATX_MEANING = (
    "Production cross section per atom of the modelled channels, averaged over the flux in the file and over the "
    "target atoms; decay and geometrical acceptance are not in it but in weights of their own."
)


def weight_names(events: Events) -> list[str]:
    """CV, then every factor column of any topology."""
    factors = [name for columns in events.topologies.values() for name in factor_columns(columns)]
    return [CV, *dict.fromkeys(factors)]


def conventions(events: Events) -> list[str]:
    """Conventions and suggestions that the file follows (G.R.4)."""
    header = events.header
    followed = ["G.C.1", "G.C.3", "G.C.5", "G.S.1", "G.S.2", "E.C.1", "E.C.5"]
    if flux_averaged_total(header) is not None:
        followed.append("G.C.2")
    if header.flux:
        followed.append("G.C.4")
    if target_fractions(header):
        followed.append("G.S.3")
    if has_tables(header):
        followed += ["E.C.2", "E.C.3"]
    particles = [particle for topology in header.topologies for particle in topology.particles]
    if any(particle.status == STRUCK for particle in particles):
        followed += ["V.C.1", "P.C.1"]
    if any(particle.pdg == REMNANT_PDG for particle in particles):
        followed.append("P.C.2")
    return sorted(followed)


HEADER_PIECE = 30_000  # characters


def run_attributes(events: Events) -> dict[str, str]:
    """All run-level attributes as text; vectors as numbers with every digit (the library's own writer keeps six)."""
    header = events.header
    found: dict[str, str] = {}
    for name, number in zip(("Major", "Minor", "Patch"), VERSION, strict=True):
        found[f"NuHepMC.Version.{name}"] = str(number)
    found["NuHepMC.Conventions"] = " ".join(conventions(events))
    found["NuHepMC.Units.CrossSection.Unit"] = "pb"
    found["NuHepMC.Units.CrossSection.TargetScale"] = "PerAtom"
    found["NuHepMC.Exposure.POT"] = float_text(header.pot)
    average = flux_averaged_total(header)
    if average is not None:
        found["NuHepMC.FluxAveragedTotalCrossSection"] = float_text(average)
        found["darkhorn.FluxAveragedTotalCrossSection.Meaning"] = FATX_MEANING
    found["darkhorn.CV.Meaning"] = CV_MEANING
    found |= _registries(events) | _particles(events) | _beam(header) | _citations(header) | _provenance(header)
    found["NuHepMC.TargetMaterialRelativeAtomicAbundance"] = " ".join(
        f"{pdg}[{float_text(fraction)}]" for pdg, fraction in sorted(target_fractions(header).items())
    )
    # in pieces: readers have a buffer of fixed size for a line (HepMC3: 2^18 characters and less), and skip what does
    # not fit in it
    text = header.dumps()
    for piece in range(0, len(text), HEADER_PIECE):
        found[f"darkhorn.Header[{piece // HEADER_PIECE}]"] = text[piece : piece + HEADER_PIECE]
    found["darkhorn.Columns"] = json.dumps(
        {name: {column: columns[column].dtype.str for column in columns} for name, columns in events.topologies.items()}
    )
    found["darkhorn.Rows"] = json.dumps(events.rows())
    return {key: value for key, value in found.items() if value != ""}


def _registries(events: Events) -> dict[str, str]:
    header = events.header
    found: dict[str, str] = {}
    processes = {int(process["id"]): process for process in header.processes}
    found["NuHepMC.ProcessIDs"] = " ".join(map(str, processes))
    for number, process in processes.items():
        found[f"NuHepMC.ProcessInfo[{number}].Name"] = str(process["name"])
        found[f"NuHepMC.ProcessInfo[{number}].Description"] = str(process.get("description") or process["name"])
    for kind, table in (("Vertex", VERTEX_STATUS), ("Particle", PARTICLE_STATUS)):
        found[f"NuHepMC.{kind}StatusIDs"] = " ".join(map(str, table))
        for number, (name, description) in table.items():
            found[f"NuHepMC.{kind}StatusInfo[{number}].Name"] = name
            found[f"NuHepMC.{kind}StatusInfo[{number}].Description"] = description
    return found


def _particles(events: Events) -> dict[str, str]:
    """G.R.11 and G.C.5, with what Geant4 needs to make a particle of its own."""
    particles = {int(particle["pdg"]): particle for particle in events.header.particles}
    if any(p.pdg == REMNANT_PDG for topology in events.header.topologies for p in topology.particles):
        remnant = {"name": "remnant", "description": "nuclear remnant that is not modelled", "role": "remnant"}
        particles.setdefault(REMNANT_PDG, remnant)
    found = {"NuHepMC.AdditionalParticleNumbers": " ".join(map(str, particles))}
    for pdg, particle in particles.items():
        found[f"NuHepMC.AdditionalParticleNumber[{pdg}].Name"] = str(particle["name"])
        description = str(particle.get("description") or particle["name"])
        found[f"NuHepMC.AdditionalParticleInfo[{pdg}].Description"] = description
        spin = float(particle.get("two_spin") or 0) / 2.0
        numbers = {"Mass": particle.get("mass"), "Width": particle.get("width"), "Charge": particle.get("charge")}
        for name, value in (numbers | {"Spin": spin}).items():
            found[f"NuHepMC.AdditionalParticleNumber[{pdg}].Geant4.{name}"] = float_text(float(value or 0.0))
    return found


def _beam(header: Header) -> dict[str, str]:
    """G.C.4. The units stand both once (1.0.0) and per particle (earlier drafts), as readers differ."""
    if not header.flux:
        return {}
    units = {"EnergyUnit": "GEV", "FluxUnit": "cm^-2 POT^-1 per bin"}
    found = {f"NuHepMC.Beam.{key}": value for key, value in units.items()}
    for pdg, curve in header.flux.items():
        name = f"NuHepMC.Beam[{pdg}]"
        found |= {f"{name}.{key}": value for key, value in units.items()}
        found |= {f"{name}.Type": "Histogram", f"{name}.Histogram.ContentIsPerWidth": "0"}
        found[f"{name}.Histogram.BinEdges"] = " ".join(map(float_text, curve["edges_GeV"]))
        found[f"{name}.Histogram.BinContent"] = " ".join(map(float_text, curve["content"]))
    return found


def _citations(header: Header) -> dict[str, str]:
    from darkhorn.generator.citations import citations_for

    entries = header.citations or [citation.to_json() for citation in citations_for(header)]
    found = {
        "NuHepMC.Citations.Generator.arXiv": " ".join(c["arxiv"] for c in entries if c.get("arxiv")),
        "NuHepMC.Citations.Generator.DOI": " ".join(c["doi"] for c in entries if c.get("doi")),
    }
    for process in header.processes:
        if process.get("arxiv"):
            found[f"NuHepMC.Citations.Process[{process['id']}].arXiv"] = str(process["arxiv"])
    return found


def _provenance(header: Header) -> dict[str, str]:
    values: dict[str, Any] = {
        "Card": header.card,
        "Seed": header.seed,
        "Shard": f"{header.shard} of {header.n_shards}",
        "RandomNumbers": "threefry2x32, counter-based: seed, channel name, event number within the channel, attempt",
        "GeneratorVersion": header.generator_version,
        "Versions": json.dumps(header.versions, sort_keys=True),
        "Device": header.device,
        "CreatedUTC": header.created_utc,
    }
    return {f"NuHepMC.Provenance.{key}": str(value) for key, value in values.items() if str(value)}
