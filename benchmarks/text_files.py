"""Events per second of conversion from HDF5 to the text formats, one process.

python benchmarks/text_files.py [--events 200000] >> benchmarks/results/text_files_cpu.jsonl
"""

import argparse
import tempfile
import time
from pathlib import Path

import common

import darkhorn
from darkhorn.generator.files.convert import convert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    darkhorn.enable_x64()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "events.h5"
        darkhorn.Simulation.from_card("microboone").run(arguments.events).save(source)
        for ending in (".hepmc3", ".hepmc3.gz", ".hepevt", ".edep.hepevt"):
            seconds = []
            for _ in range(arguments.repeat):
                started = time.perf_counter()
                convert(source, folder / f"out{ending}", overwrite=True)
                seconds.append(time.perf_counter() - started)
            size = (folder / f"out{ending}").stat().st_size
            best = sorted(seconds)[len(seconds) // 2]
            common.record(
                "convert",
                format=ending,
                events=arguments.events,
                seconds=seconds,
                events_per_s=arguments.events / best,
                bytes_per_event=size / arguments.events,
            )


if __name__ == "__main__":
    main()
