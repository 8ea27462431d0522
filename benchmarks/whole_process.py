"""Wall time and peak memory of whole `darkhorn generate` processes: cold, with a warm compilation cache, and against
the number of events.

    python benchmarks/whole_process.py [--folder DIR] >> benchmarks/results/whole_process_cpu.jsonl

`cold` runs with an empty compilation cache, `warm` with the one that the cold run left. `--help` is timed as well.
Files go to
--folder (default: a temporary one) and are removed.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import common

COMMAND = [sys.executable, "-m", "darkhorn"]


def run(name: str, arguments: list[str], cache: Path, repeat: int, fresh: bool, **fields: object) -> None:
    runs = []
    for _ in range(repeat):
        if fresh:
            shutil.rmtree(cache, ignore_errors=True)
        runs.append(common.run_child([*COMMAND, *arguments], {**os.environ, "DARKHORN_CACHE": str(cache)}))
    if any(r["returncode"] for r in runs):
        raise SystemExit(f"darkhorn {' '.join(arguments)} failed")
    walls, memory = [r["wall_s"] for r in runs], max(r["max_rss_mb"] for r in runs)
    common.record(name, median_s=statistics.median(walls), all_s=walls, peak_memory_mb=memory, **fields)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--largest", type=int, default=10_000_000, help="largest number of events of the memory scan")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        cache, out = Path(folder) / "cache", str(Path(folder) / "events.h5")
        run("help", ["--help"], cache, arguments.repeat, fresh=False)
        million = ["-q", "generate", "microboone", "-n", "1000000", "-o", out, "--overwrite"]
        run("generate_cold", million, cache, arguments.repeat, fresh=True, events=1_000_000)
        run("generate_warm", million, cache, arguments.repeat, fresh=False, events=1_000_000)
        n = 100_000
        while n <= arguments.largest:
            many = ["-q", "generate", "microboone", "-n", str(n), "-o", out, "--overwrite"]
            run("generate_memory", many, cache, 1, fresh=False, events=n)
            n *= 10


if __name__ == "__main__":
    main()
