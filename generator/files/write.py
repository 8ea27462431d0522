"""Write `Events` to a file; the ending of the name chooses the format."""

from collections.abc import Mapping
from pathlib import Path

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import missing_columns, missing_masses
from darkhorn.generator.files.formats import EDEP_HEPEVT, HDF5, HEPMC3, format_of
from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.kernels.errors import InputError


def write_events(
    events: Events,
    path: Path,
    overwrite: bool = False,
    attributes: Mapping[str, tuple[str, str]] | None = None,
) -> Path:
    """Write in pieces of bounded size; returns the path. Raises OutputError, InputError for an unknown ending."""
    kind = format_of(path)
    events = Events(events.header.replace(n_events=len(events), complete=True), events.topologies)
    _check(events, path)
    if kind == HDF5:
        _write_hdf5(events, path, overwrite, attributes)
    elif kind == HEPMC3:
        from darkhorn.generator.files.hepmc3 import write_hepmc3

        write_hepmc3(events, path, overwrite)
    else:
        from darkhorn.generator.files.hepevt import write_hepevt

        write_hepevt(events, path, overwrite, edep_sim=kind == EDEP_HEPEVT)
    return path


def _check(events: Events, path: Path) -> None:
    """Raise InputError if columns or masses are missing that readers of the file will need."""
    for name, columns in events.topologies.items():
        topology = events.header.topology(name)
        missing = missing_columns(topology, columns)
        missing += [f"header.masses[{mass!r}]" for mass in missing_masses(topology, events.header.masses)]
        if missing:
            do = f"{path.name} was not written: add what is missing."
            raise InputError(f"events of {name}", f"no {', '.join(missing)}", "all columns of the topology", do)


def _write_hdf5(
    events: Events, path: Path, overwrite: bool, attributes: Mapping[str, tuple[str, str]] | None = None
) -> None:
    dtypes = {
        name: {key: values.dtype for key, values in columns.items()} for name, columns in events.topologies.items()
    }
    file = EventFile.create(path, events.header, events.rows(), dtypes, attributes, overwrite)
    try:
        done = dict.fromkeys(events.topologies, 0)
        for topology, columns in events.chunks():
            file.write(topology.name, done[topology.name], columns)
            done[topology.name] += len(columns["event_id"])
        file.finish(events.header)
    except BaseException:
        file.abandon()
        raise
