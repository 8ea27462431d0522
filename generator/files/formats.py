"""Formats by the ending of a file name."""

from pathlib import Path

from darkhorn.kernels.errors import InputError

HDF5, HEPMC3, HEPEVT, EDEP_HEPEVT = "hdf5", "hepmc3", "hepevt", "edep-hepevt"
# Longer endings first: `.edep.hepevt` ends with `.hepevt` too.
ENDINGS = {
    ".edep.hepevt": EDEP_HEPEVT,
    ".hepevt": HEPEVT,
    ".hepmc3.gz": HEPMC3,
    ".hepmc3": HEPMC3,
    ".h5.part": HDF5,
    ".hdf5": HDF5,
    ".h5": HDF5,
}


def format_of(path: Path, reading: bool = False) -> str:
    """Format of a file name; when `reading`, an unknown ending is settled by the first bytes of the file.

    Raises InputError for an ending that is not known.
    """
    for ending, kind in ENDINGS.items():
        if path.name.endswith(ending):
            return kind
    if reading and path.is_file():
        with open(path, "rb") as file:
            start = file.read(64)
        if start.startswith(b"\x89HDF\r\n\x1a\n"):
            return HDF5
        if start.lstrip().startswith(b"HepMC::"):
            return HEPMC3
    allowed = ", ".join(ending for ending in ENDINGS if ending != ".h5.part")
    raise InputError(str(path), f"the ending `{path.suffix}`", allowed, "The ending of the name chooses the format.")
