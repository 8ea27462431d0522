"""Convert event files between formats, in pieces of bounded size."""

from pathlib import Path

from darkhorn.generator.files.formats import HDF5, HEPMC3, format_of
from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.generator.files.hepmc3_read import HepMC3File
from darkhorn.generator.files.output import check_output
from darkhorn.generator.files.read import attributes_of, read_hdf5
from darkhorn.generator.files.write import write_events
from darkhorn.kernels.errors import InputError


def convert(src: str | Path, dst: str | Path, overwrite: bool = False) -> Path:
    """Write the events of `src` (HDF5 or HepMC3) to `dst` in the format of its ending; returns `dst`.

    Ids, vertices, weights with their factors and the header survive, except that HEPEVT keeps them in its sidecar.
    Raises InputError for a source that cannot be read, OutputError for an output that cannot be written.
    """
    src, dst = Path(src), Path(dst)
    source, target = format_of(src, reading=True), format_of(dst)
    if source not in (HDF5, HEPMC3):
        raise InputError(str(src), f"a file of the format {source}", "HDF5 or HepMC3", "Convert what it was made from.")
    check_output(dst, overwrite)
    if dst.exists() and src.exists() and dst.samefile(src):
        raise InputError(str(dst), "the same file as the source", "another name", "Choose another name.")
    if source == HDF5:
        events = read_hdf5(src)
        return write_events(events, dst, overwrite, attributes_of(src) if target == HDF5 else None)
    if target == HDF5:
        _columns_from_hepmc3(src, dst, overwrite)
        return dst
    between = dst.with_name(dst.name + ".between.h5")
    try:
        _columns_from_hepmc3(src, between, overwrite=True)
        return write_events(read_hdf5(between), dst, overwrite)
    finally:
        between.unlink(missing_ok=True)


def _columns_from_hepmc3(src: Path, dst: Path, overwrite: bool) -> None:
    source = HepMC3File(src)
    file = EventFile.create(dst, source.header, source.rows, source.dtypes, overwrite=overwrite)
    try:
        done = dict.fromkeys(source.rows, 0)
        for name, columns in source.blocks():
            n = len(columns["event_id"])
            if done[name] + n > source.rows[name]:
                raise InputError(str(src), f"more than {source.rows[name]} events", "as announced", "It is damaged.")
            file.write(name, done[name], columns)
            done[name] += n
        file.finish(source.header)
    except BaseException:
        file.abandon()
        raise
