"""Events per second of exact reweighting, file to file, one process; the copy of the file is part of it.

python benchmarks/reweight.py [--events 10000000] [--folder /data] >> benchmarks/results/reweight_cpu.jsonl
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import common

import darkhorn
from darkhorn.generator.files.reweight import reweight
from darkhorn.generator.generate import generate
from darkhorn.generator.simulation import Request

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "light": ("microboone", {}, {"model.epsilon": 5e-4}),
    "two states, virtual": ("microboone-dual", {}, {"model.mzprime": "1 GeV", "model.epsilon": 5e-4}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", choices=sorted(CASES), default="light")
    parser.add_argument("--folder", help="where the files go: the speed of its disk is measured as well")
    arguments = parser.parse_args()
    darkhorn.enable_x64()
    card, overrides, changes = CASES[arguments.case]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        source, out = Path(name) / "events.h5", Path(name) / "new.h5"
        simulation = darkhorn.Simulation.from_card(card, overrides)
        generate(simulation, source, Request(arguments.events, 1))
        small = Path(name) / "small.h5"
        generate(simulation, small, Request(10_000, 1))
        started = time.perf_counter()
        reweight(small, out, changes, overwrite=True)
        compile_s = time.perf_counter() - started
        seconds, report = [], {}
        for _ in range(arguments.repeat):
            out.unlink()
            started = time.perf_counter()
            report = reweight(source, out, changes)
            seconds.append(time.perf_counter() - started)
        median = sorted(seconds)[len(seconds) // 2]
        common.record(
            "reweight",
            case=arguments.case,
            events=arguments.events,
            seconds=seconds,
            compile_s=compile_s,
            events_per_s=arguments.events / median,
            ess=report["ess"],
            bytes_per_event=source.stat().st_size / arguments.events,
        )


if __name__ == "__main__":
    main()
