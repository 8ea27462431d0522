"""Effective events per second of scattering in the soil and decay in the TPC: card `microboone-soil`, soil alone.

    python benchmarks/soil.py [--events 2000000] [--repeat 3] >> benchmarks/results/soil_cpu.jsonl

m5 = 200 MeV, m4 = 100 MeV, mZ' = 1.25 GeV, |V_mu5|^2 = 2e-10, gD = 2, epsilon = 8e-4. `columns` makes whole events in
batches, on as many threads as there are cores, and takes every column to host memory; `weights` makes the weights of
the same events alone. The first run, which compiles, is not counted. `cpu_s` is the time of all threads: on a machine
that others use as well, ess_per_cpu_s times the number of cores is what it would do alone.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import common
import jax
import jax.numpy as jnp
import numpy as np

import darkhorn
from darkhorn.generator.chain import Chain
from darkhorn.generator.device import as_float64, weights_of
from darkhorn.generator.simulation import Request
from darkhorn.generator.streams import channel_key, split_index, uniforms

BATCH = 1 << 15


@partial(jax.jit, static_argnums=0)
def weights(chain: Chain, params: Any, grid: jax.Array, key: jax.Array, low: jax.Array, high: jax.Array) -> Any:
    weight = weights_of(chain, params, grid, uniforms(key, low, high, len(chain.dims)))
    return jnp.sum(weight), jnp.sum(weight * weight)


def columns_of(simulation: darkhorn.Simulation, events: int) -> tuple[float, float]:
    sum_w = sum_w2 = 0.0
    for block in simulation.runner(Request(events, seed=1)).blocks():
        weight = block.columns["weight"]
        sum_w, sum_w2 = sum_w + float(weight.sum()), sum_w2 + float(np.square(weight).sum())
    return sum_w, sum_w2


def weights_alone(simulation: darkhorn.Simulation, events: int) -> tuple[float, float]:
    runner = simulation.runner(Request(events, seed=1))
    channels = [
        (c.chain, as_float64(c.params), jnp.asarray(p.grid), jnp.asarray(channel_key(1, c.name)))
        for c, p in zip(runner.channels, runner.plan.channels, strict=True)
    ]

    def one(task: Any) -> tuple[float, float]:
        index = np.arange(BATCH, dtype=np.uint64) + np.uint64(task.first)
        found = weights(*channels[task.share.index], *split_index(index))
        # a batch that is not full counts with its share
        share, total = (task.stop - task.first) / BATCH, task.share.total
        return float(found[0]) * share / total, float(found[1]) * share / total**2

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(one, runner.layout.tasks(BATCH)))
    return sum(p[0] for p in parts), sum(p[1] for p in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    darkhorn.enable_x64()
    simulation = darkhorn.Simulation.from_card("microboone-soil", {"regions": ["soil"], "source.flavours": ["nu_mu"]})
    for case, make in (("columns", columns_of), ("weights", weights_alone)):
        make(simulation, 100_000)
        wall, cpu, ess = [], [], 0.0
        for _ in range(arguments.repeat):
            started, used = time.perf_counter(), time.process_time()
            sum_w, sum_w2 = make(simulation, arguments.events)
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - used)
            ess = sum_w**2 / sum_w2
        common.record(
            "soil",
            case=case,
            events=arguments.events,
            channels=len(simulation.build.channels),
            sum_w=sum_w,
            seconds=wall,
            cpu_s=cpu,
            events_per_s=arguments.events / float(np.median(wall)),
            ess_per_event=ess / arguments.events,
            ess_per_s=ess / float(np.median(wall)),
            ess_per_cpu_s=ess / float(np.median(cpu)),
            load=os.getloadavg()[0],
        )


if __name__ == "__main__":
    main()
