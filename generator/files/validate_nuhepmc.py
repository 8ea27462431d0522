"""The requirements and conventions of NuHepMC 1.0.0 (arXiv:2310.13211), one check per item, read with pyhepmc."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from darkhorn.generator.files.validate import Report

RUN = {
    "G.R.1": "a run information exists",
    "G.R.2": "NuHepMC.Version is 1.0.0 in three integers",
    "G.R.3": "every tool has a name and a version",
    "G.R.4": "NuHepMC.Conventions lists the conventions followed",
    "G.R.5": "the flux-averaged total cross section is given by G.C.2 or E.C.4",
    "G.R.6": "units and target scale of cross sections are known words",
    "G.R.7": "a weight is named CV, and every event has all weights",
    "G.R.8": "processes are registered with name and description",
    "G.R.9": "vertex statuses are registered with name and description",
    "G.R.10": "particle statuses are registered with name and description",
    "G.R.11": "codes that are not in the PDG scheme are declared with a name",
}
EVENT = {
    "E.R.1": "the event is a connected HepMC3 graph, every particle on a vertex",
    "E.R.2": "event numbers are not negative and unique",
    "E.R.3": "signal_process_id is registered",
    "E.R.4": "units are set, GEV and CM",
    "E.R.5": "lab_pos has 3 or 4 finite numbers",
    "E.R.6": "exactly one vertex has status 1, none status 0",
    "E.R.7": "exactly one beam (4) and one target (20), a nucleus or a free nucleon",
    "E.R.8": "particles that come in have status 4 or 20, those that go out status 1",
    "E.R.9": "momenta are in the lab frame: four-momentum is conserved at every vertex, with the target as given",
    "V.R.1": "vertex statuses are 1, 2 or 21 to 999",
    "P.R.1": "particle statuses are 1 to 4, 20 or above",
}
CONVENTION = {
    "G.C.1": "NuHepMC.Exposure.POT is a positive number",
    "G.C.2": "NuHepMC.FluxAveragedTotalCrossSection is a positive number",
    "G.C.3": "citations of the generator are given",
    "G.C.4": "every beam particle has an energy distribution with units",
    "G.C.5": "declared particles have a description",
    "E.C.2": "tot_xs is given in every event",
    "E.C.3": "proc_xs is given in every event and not above tot_xs",
    "E.C.5": "lab_pos has four numbers",
}
_UNITS, _SCALES = ("pb", "10-38 cm2", "cm2"), ("PerAtom", "PerNucleon")
_BALANCE = 1e-8
Text = Mapping[str, str]


def check_nuhepmc(path: Path, report: "Report") -> int:
    """Add one check per item to the report; returns the number of events that could be read."""
    import pyhepmc

    for key, asks in (RUN | EVENT).items():
        report.add(key, asks)
    number, run, followed = 0, {}, set[str]()
    names: list[str] = []
    seen: set[int] = set()
    used: set[int] = set()
    try:
        with pyhepmc.open(str(path)) as file:
            for event in file:
                if number == 0:
                    run = {} if event.run_info is None else {k: str(v) for k, v in event.run_info.attributes.items()}
                    names = [] if event.run_info is None else list(event.run_info.weight_names)
                    followed = set(run.get("NuHepMC.Conventions", "").split())
                    _check_run(event.run_info, run, followed, report)
                used.update(particle.pid for particle in event.particles)
                _check_event(event, run, names, followed, seen, report)
                number += 1
    except (OSError, RuntimeError) as error:
        report.checks["E.R.1"].fail(f"pyhepmc cannot read on after {number} events: {error}")
    if number == 0:
        report.checks["G.R.1"].fail("no event can be read")
    declared = set(_integers(run.get("NuHepMC.AdditionalParticleNumbers", "")))
    declared |= {2009900000} if "P.C.2" in followed else set()
    for pdg in sorted(used - declared):
        if not _standard(pdg):
            report.checks["G.R.11"].fail(f"code {pdg} is not declared")
    return number


def _check_run(info: Any, run: Text, followed: set[str], report: "Report") -> None:
    fail = {key: report.checks[key].fail for key in RUN}
    if info is None:
        fail["G.R.1"]("none")
        return
    version = [run.get(f"NuHepMC.Version.{part}") for part in ("Major", "Minor", "Patch")]
    if version != ["1", "0", "0"]:
        fail["G.R.2"](f"{version}")
    if not info.tools or any(not tool.name or not tool.version for tool in info.tools):
        fail["G.R.3"](f"{[(tool.name, tool.version) for tool in info.tools]}")
    if "NuHepMC.Conventions" not in run:
        fail["G.R.4"]("no attribute NuHepMC.Conventions")
    if not followed & {"G.C.2", "E.C.4"}:
        fail["G.R.5"](f"neither G.C.2 nor E.C.4 among {sorted(followed)}")
    unit, scale = (run.get(f"NuHepMC.Units.CrossSection.{name}") for name in ("Unit", "TargetScale"))
    if unit not in _UNITS or scale not in _SCALES:
        fail["G.R.6"](f"unit {unit!r}, target scale {scale!r}")
    if "CV" not in info.weight_names:
        fail["G.R.7"](f"weights {list(info.weight_names)}")
    registries = (("G.R.8", "Process"), ("G.R.9", "VertexStatus"), ("G.R.10", "ParticleStatus"))
    for key, kind in registries:
        numbers = _integers(run.get(f"NuHepMC.{kind}IDs", ""))
        if not numbers:
            fail[key](f"no NuHepMC.{kind}IDs")
        for number in numbers:
            for part in ("Name", "Description"):
                if not run.get(f"NuHepMC.{kind}Info[{number}].{part}"):
                    fail[key](f"no NuHepMC.{kind}Info[{number}].{part}")
    if "NuHepMC.AdditionalParticleNumbers" not in run:
        fail["G.R.11"]("no NuHepMC.AdditionalParticleNumbers")
    declared = _integers(run.get("NuHepMC.AdditionalParticleNumbers", ""))
    for pdg in declared:
        if not run.get(f"NuHepMC.AdditionalParticleNumber[{pdg}].Name"):
            fail["G.R.11"](f"no name of {pdg}")
    _check_run_conventions(run, followed, declared, report)


def _check_run_conventions(run: Text, followed: set[str], declared: list[int], report: "Report") -> None:
    check = {key: report.add(key, asks) for key, asks in CONVENTION.items() if key in followed}
    for key, name in (("G.C.1", "Exposure.POT"), ("G.C.2", "FluxAveragedTotalCrossSection")):
        if key in check and not _positive(run.get(f"NuHepMC.{name}", "")):
            check[key].fail(f"NuHepMC.{name} = {run.get(f'NuHepMC.{name}')!r}")
    if "G.C.3" in check and not any(name.startswith("NuHepMC.Citations.Generator.") for name in run):
        check["G.C.3"].fail("no NuHepMC.Citations.Generator.*")
    if "G.C.4" in check:
        beams = [name[: -len(".Type")] for name in run if name.startswith("NuHepMC.Beam[") and name.endswith(".Type")]
        if not beams:
            check["G.C.4"].fail("no NuHepMC.Beam[<pdg>].Type")
        for beam in beams:
            if run[f"{beam}.Type"] == "Histogram":
                edges = _floats(run.get(f"{beam}.Histogram.BinEdges", ""))
                content = _floats(run.get(f"{beam}.Histogram.BinContent", ""))
                if len(edges) != len(content) + 1 or len(content) == 0 or not np.any(content > 0.0):
                    check["G.C.4"].fail(f"{beam}: {len(edges)} edges, {len(content)} bins, or all bins are empty")
            if not (run.get("NuHepMC.Beam.EnergyUnit") or run.get(f"{beam}.EnergyUnit")):
                check["G.C.4"].fail(f"{beam}: no energy unit")
    if "G.C.5" in check:
        for pdg in declared:
            if not run.get(f"NuHepMC.AdditionalParticleInfo[{pdg}].Description"):
                check["G.C.5"].fail(f"no description of {pdg}")


def _check_event(event: Any, run: Text, names: list[str], followed: set[str], seen: set[int], report: "Report") -> None:
    def fail(key: str, what: str) -> None:
        report.checks[key].fail(f"event number {event.event_number}: {what}")

    attributes = {key: str(value) for key, value in event.attributes.items()}
    particles, vertices = event.particles, event.vertices
    if not vertices or not particles:
        fail("E.R.1", "no vertices or no particles")
        return
    lost = [p.id for p in particles if _free(p.production_vertex) and p.end_vertex is None]
    if lost:
        fail("E.R.1", f"particles {lost} belong to no vertex")
    if event.event_number < 0 or event.event_number in seen:
        fail("E.R.2", "negative or not unique")
    seen.add(event.event_number)
    if attributes.get("signal_process_id") not in run.get("NuHepMC.ProcessIDs", "").split():
        fail("E.R.3", f"process {attributes.get('signal_process_id')}")
    if (event.momentum_unit.name, event.length_unit.name) != ("GEV", "CM"):
        fail("E.R.4", f"units {event.momentum_unit.name} {event.length_unit.name}")
    place = _floats(attributes.get("lab_pos", ""))
    if len(place) not in (3, 4) or not np.all(np.isfinite(place)):
        fail("E.R.5", f"lab_pos {attributes.get('lab_pos')!r}")
    if "E.C.5" in followed and len(place) != 4:
        report.checks["E.C.5"].fail(f"event number {event.event_number}: {len(place)} numbers")
    statuses = [vertex.status for vertex in vertices]
    if statuses.count(1) != 1 or 0 in statuses:
        fail("E.R.6", f"vertex statuses {statuses}")
    for status in statuses:
        if not (status in (1, 2) or 21 <= status <= 999):
            fail("V.R.1", f"vertex status {status}")
        elif str(status) not in run.get("NuHepMC.VertexStatusIDs", "").split() and status > 2:
            report.checks["G.R.9"].fail(f"vertex status {status} of event number {event.event_number} not registered")
    _check_particles(event, run, fail, report)
    if len(event.weights) != len(names) or not np.all(np.isfinite(event.weights)):
        report.checks["G.R.7"].fail(f"event number {event.event_number}: weights {list(event.weights)}")
    values = {name: _floats(attributes.get(name, "nan")) for name in ("tot_xs", "proc_xs")}
    for key, name in (("E.C.2", "tot_xs"), ("E.C.3", "proc_xs")):
        if key in followed:
            value, total = values[name], values["tot_xs"]
            if len(value) != 1 or not 0.0 <= value[0] <= total[0] * (1.0 + 1e-12):
                fail_value = f"event number {event.event_number}: {name} {value}"
                report.checks[key].fail(fail_value)
    for vertex in vertices:
        into, out = (sum(np.array(p.momentum) for p in side) for side in (vertex.particles_in, vertex.particles_out))
        energy = sum(abs(p.momentum.e) for p in vertex.particles_in)
        if not np.max(np.abs(np.asarray(into) - out)) <= _BALANCE * energy:
            fail("E.R.9", f"four-momentum at vertex {vertex.id} is off by {np.asarray(into) - out}")


def _check_particles(event: Any, run: Text, fail: Any, report: "Report") -> None:
    registered = run.get("NuHepMC.ParticleStatusIDs", "").split()
    statuses = [particle.status for particle in event.particles]
    targets = [particle for particle in event.particles if particle.status == 20]
    if statuses.count(4) != 1 or len(targets) != 1:
        fail("E.R.7", f"{statuses.count(4)} beams, {len(targets)} targets")
    elif not (targets[0].pid > 1000000000 or targets[0].pid in (2112, 2212, 11)):
        fail("E.R.7", f"target {targets[0].pid}")
    for particle in event.particles:
        if _free(particle.production_vertex) and particle.status not in (4, 20):
            fail("E.R.8", f"particle {particle.id} comes in with status {particle.status}")
        if particle.end_vertex is None and particle.status != 1:
            fail("E.R.8", f"particle {particle.id} goes out with status {particle.status}")
        if not (1 <= particle.status <= 4 or particle.status >= 20):
            fail("P.R.1", f"particle {particle.id} has status {particle.status}")
        elif particle.status > 20 and str(particle.status) not in registered:
            report.checks["G.R.10"].fail(
                f"status {particle.status} of event number {event.event_number} not registered"
            )


def _free(vertex: Any) -> bool:
    """No production vertex, or the root vertex that HepMC3 gives to incoming particles."""
    return vertex is None or vertex.id == 0


@cache
def _standard(pdg: int) -> bool:
    from particle import Particle
    from particle.particle.particle import InvalidParticle, ParticleNotFound
    from particle.pdgid import is_nucleus

    if is_nucleus(pdg):
        return True
    try:
        Particle.from_pdgid(pdg)
    except (InvalidParticle, ParticleNotFound):
        return False
    return True


def _integers(text: str) -> list[int]:
    return [int(word) for word in text.split() if word.lstrip("+-").isdigit()]


def _floats(text: str) -> Any:
    try:
        return np.array([float(word) for word in text.split()])
    except ValueError:
        return np.array([])


def _positive(text: str) -> bool:
    values = _floats(text)
    return len(values) == 1 and bool(values[0] > 0.0) and bool(np.isfinite(values[0]))
