"""The Markdown table of docs/performance.md from JSON lines of the benchmarks.

    python benchmarks/report.py benchmarks/results/*.jsonl

One row per line of the files, in their order; standard output. Lines without `wall_s` or `events` are passed over.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

COLUMNS = ("benchmark", "device", "cores", "events", "time (s)", "events/s", "ESS/s", "version", "date")


def read_lines(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """All records of the files. ValueError, with file and line, for one that is no JSON object with a `name`."""
    records = []
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                record["name"]
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{path}:{number}: no benchmark record ({error})") from error
            records.append(record)
    return records


def row(record: Mapping[str, Any]) -> list[str] | None:
    """Cells of one record, or None where it times no events."""
    events, seconds = record.get("events"), record.get("wall_s", record.get("median_s"))
    if not events or not seconds:
        return None
    ess = record.get("ess_per_s", record["ess"] / seconds if "ess" in record else None)
    versions = record.get("versions", {})
    package = next((name for name in ("DarkNews", "siren", "darkhorn") if versions.get(name)), "")
    return [
        str(record["name"]),
        str(record.get("device") or record.get("cpu", "")),
        str(record.get("cores", "")),
        f"{events:,}".replace(",", " "),
        f"{seconds:.3g}",
        _short(record.get("events_per_s", events / seconds)),
        "" if ess is None else _short(ess),
        f"{package} {versions.get(package, '')}".strip(),
        str(record.get("date", ""))[:10],
    ]


def _short(value: float) -> str:
    """Two significant digits: 9200, 1.2e6."""
    return f"{value:.2g}" if value >= 1e5 or value < 1 else f"{float(f'{value:.2g}'):.0f}"


def table(records: Iterable[Mapping[str, Any]]) -> str:
    """The Markdown table of the records."""
    rows = [cells for record in records if (cells := row(record)) is not None]
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    print(table(read_lines(map(Path, sys.argv[1:]))))
