"""Cost of a scan per point: MicroBooNE with its soil, all channels, to 1 % per point.

    python benchmarks/scan.py [--points 100] [--plane dual] >> benchmarks/results/scan_cpu.jsonl

Two planes of points x points: `dual` is (m5, |V_mu5|^2) of the card `microboone-soil` (Z' of 1.25 GeV), `single` is
(m4, |U_mu4|^2) of `microboone` with the region soil (Z' of 30 MeV). The first scan, of two points, compiles
(`first_run_s`). `cpu_s` is the time of all threads: on a machine that others use as well, cpu_s over the number of
cores is what the scan would take alone. A peer's cost per point is the wall time of its whole run in
benchmarks/results/darknews_*.jsonl: it has no scan.
"""

import argparse
import os
import time
from typing import Any

import common
import numpy as np

import darkhorn

PLANES: dict[str, tuple[str, dict[str, Any], str, str, str, str]] = {
    "dual": ("microboone-soil", {}, "model.m5", "150 MeV:300 MeV", "model.umu5_sq", "1e-12:1e-7"),
    "single": ("microboone", {"regions": ["tpc", "soil"]}, "model.m4", "40 MeV:400 MeV", "model.umu4_sq", "1e-12:1e-7"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100, help="points along each axis")
    parser.add_argument("--plane", choices=tuple(PLANES), action="append", help="default: both")
    arguments = parser.parse_args()
    darkhorn.enable_x64()
    for plane in arguments.plane or PLANES:
        card, overrides, mass, masses, coupling, couplings = PLANES[plane]
        simulation = darkhorn.Simulation.from_card(card, overrides)
        n = arguments.points
        started = time.perf_counter()
        simulation.scan({mass: f"{masses}:2", coupling: f"{couplings}:{n}:log"}, precision=0.5)
        first = time.perf_counter() - started
        started, used = time.perf_counter(), time.process_time()
        scan = simulation.scan({mass: f"{masses}:{n}", coupling: f"{couplings}:{n}:log"}, precision=1e-2)
        wall, cpu = time.perf_counter() - started, time.process_time() - used
        facts = scan.summary()
        common.record(
            "scan",
            plane=plane,
            points=scan.grid.size,
            channels=len(scan.channels),
            precision=scan.precision,
            wall_s=wall,
            cpu_s=cpu,
            cpu_s_per_point=cpu / scan.grid.size,
            first_run_s=first,
            imprecise=facts["imprecise"],
            refused=facts["refused"],
            largest_relative_error=facts["largest_relative_error"],
            ess_per_cpu_s=float(np.nansum(scan.ess)) / cpu,
            load=os.getloadavg()[0],
        )


if __name__ == "__main__":
    main()
