"""Events per second inside the block loop of `microboone`: what the device makes, apart from start-up, compilation
and files.

    python benchmarks/block_loop.py [--events 4000000] [--repeat 5] >> benchmarks/results/block_loop_cpu.jsonl

Each repeat makes all events of a run in batches, on as many threads as there are cores, and takes every column to
host memory; the first run, which compiles, is not counted. Peak effective sample size comes with it.
"""

import argparse
import time

import common
import numpy as np

import darkhorn
from darkhorn.generator.simulation import Request


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--batch", type=int, default=None, help="events per batch (default: that of the device)")
    arguments = parser.parse_args()
    darkhorn.enable_x64()
    single = {
        "source.flavours": ["nu_mu"],
        "physics.regimes": ["coherent"],
        "physics.helicities": ["conserving"],
    }
    cases: tuple[tuple[str, dict[str, list[str]], bool], ...] = (
        ("light Z', TPC, one channel", single, False),
        ("microboone, all channels", {}, False),
        ("microboone, unweighted", {}, True),
    )
    for name, overrides, unweighted in cases:
        simulation = darkhorn.Simulation.from_card("microboone", overrides)
        started = time.perf_counter()
        for _ in simulation.runner(Request(1000, 1, unweighted, batch_size=arguments.batch)).blocks():
            pass
        first = time.perf_counter() - started
        seconds, ess = [], 0.0
        for _ in range(arguments.repeat):
            request = Request(arguments.events, seed=1, unweighted=unweighted, batch_size=arguments.batch)
            runner = simulation.runner(request)
            sum_w = sum_w2 = 0.0
            started = time.perf_counter()
            for block in runner.blocks():
                weight = block.columns["weight"]
                sum_w, sum_w2 = sum_w + float(weight.sum()), sum_w2 + float(np.square(weight).sum())
            seconds.append(time.perf_counter() - started)
            ess = sum_w**2 / sum_w2
        median = float(np.median(seconds))
        columns = len(runner.channels[0].columns)
        common.record(
            "block_loop",
            case=name,
            events=arguments.events,
            columns=columns,
            batch=runner.batch_size,
            seconds=seconds,
            events_per_s=arguments.events / median,
            ess_per_event=ess / arguments.events,
            ess_per_s=ess / median,
            first_run_s=first,
        )


if __name__ == "__main__":
    main()
