"""What is in an event file."""

from pathlib import Path
from typing import Any

from darkhorn.generator.files.formats import HDF5, format_of
from darkhorn.generator.files.read import attributes_of, read, read_hdf5


def info(path: str | Path) -> dict[str, Any]:
    """Header and summary of a file as JSON types; also of the `.part` of a running job (`complete` is then false).

    Keys: path, format, size_bytes, n_events, sum_w, sum_w_error, ess, topologies {name: {n_events, columns}}, and all
    those of the header (docs/architecture.md). Raises InputError if the file cannot be read.
    """
    path = Path(path)
    kind = format_of(path, reading=True)
    events = read_hdf5(path, allow_incomplete=True) if kind == HDF5 else read(path)
    described = attributes_of(path) if kind == HDF5 else {}
    header = events.header.to_json()
    records = header.pop("topologies")
    rows = events.rows()
    return header | {
        "path": str(path),
        "format": kind,
        "size_bytes": path.stat().st_size,
        "sum_w": events.sum_w,
        "sum_w_error": events.sum_w_error,
        "ess": events.ess,
        "topologies": {
            record["name"]: record
            | {
                "n_events": rows.get(record["name"], 0),
                "columns": {
                    name: dict(zip(("units", "description"), described.get(name, ("", "")), strict=True))
                    for name in events.topologies.get(record["name"], {})
                },
            }
            for record in records
        },
    }
