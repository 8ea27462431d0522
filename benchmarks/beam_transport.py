"""Mesons per second through the BNB target and horn, and how far their angles are from converged ones.

    python benchmarks/beam_transport.py [--mesons 32768] [--without-rk4]

Mesons are pi+ as the source makes them, of all momenta. `matter`: from the target to the exit plane with field, energy
loss, absorption, decay, multiple and elastic scattering, in the default steps. `deterministic`: the same without what
is random in direction; its angles behind the horn are compared, track by track, with steps of a sixteenth (converged to
0.01 mrad), weighted as they leave and within 0.3 rad. `field`: no matter either, and beside it a Runge-Kutta method
of fourth order in numpy, in path length, on the same tracks with the same reference, in steps that bracket the error.
Rates are per core, by the time of the process: on a busy machine wall time says little. The load average is recorded.
`all-cores`: as many batches at once as there are cores, with matter, by wall time.
"""

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import record

from darkhorn.generator.beams.propagate import LIMITS, SLAB, Medium, Outcome, Start, medium, propagate, skin_depth
from darkhorn.generator.beams.sources import Sources
from darkhorn.generator.device import enable_x64
from darkhorn.generator.streams import channel_key
from darkhorn.geometry.beamlines import BNB

WIDEST = 0.3  # rad, behind the horn
Real = np.ndarray[Any, np.dtype[np.float64]]


def seconds(function: Callable[[], object], repeat: int = 5) -> float:
    jax.block_until_ready(function())  # type: ignore[no-untyped-call]
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        jax.block_until_ready(function())  # type: ignore[no-untyped-call]
        best = min(best, time.process_time() - start)
    return best


def wall_seconds(function: Callable[[], object], at_once: int, each: int = 10, repeat: int = 5) -> float:
    """Of one call in each of `at_once` threads: the median over repetitions of `each` calls. Calls of one thread wait
    for each other.
    """

    def some(_: int) -> None:
        for _ in range(each):
            jax.block_until_ready(function())  # type: ignore[no-untyped-call]

    found = []
    with ThreadPoolExecutor(at_once) as pool:
        for _ in range(repeat):
            start = time.perf_counter()
            list(pool.map(some, range(at_once)))
            found.append((time.perf_counter() - start) / each)
    return float(np.median(found))


def angles(outcome: Outcome) -> tuple[Real, Real]:
    p = outcome.leaving.momentum
    return np.stack([np.asarray(p.x / p.z), np.asarray(p.y / p.z)]), np.asarray(outcome.leaving.weight)


def errors(found: tuple[Real, Real], exact: tuple[Real, Real]) -> dict[str, float]:
    """Weighted rms and 68 % quantile of the difference in angle, mrad."""
    both = (exact[1] > 0) & (found[1] > 0) & (np.hypot(*exact[0]) < WIDEST)
    error = np.hypot(*(found[0] - exact[0]))[both] * 1e3
    rms = float(np.sqrt(np.average(error**2, weights=exact[1][both])))
    return {"rms_mrad": rms, "quantile_68_mrad": float(np.quantile(error, 0.68))}


def without_matter(through: Medium) -> Medium:
    return through._replace(table=0 * through.table, ctau=jnp.asarray(np.inf))


class NumpyField:
    """dp/ds of the BNB horn on a grid of z, as a peer would write it."""

    def __init__(self) -> None:
        self.horn = BNB.horns[0].horn
        self.z = np.unique([*np.arange(self.horn.start_cm, self.horn.end_cm, 0.02), *self.horn.knots])
        self.surfaces = self.horn.surfaces(self.z)

    def slope(self, state: Real, p: Real) -> Real:
        """Of (x, y, z, px, py, pz), shape (6, n)."""
        x, y, z, px, py, pz = state
        bore, inner, outer, _ = (np.interp(z, self.z, s) for s in self.surfaces)
        r = np.hypot(x, y)
        skin = self.horn.skin_depth_cm
        assert skin is not None
        depth = np.clip(r - bore, 0.0, inner - bore)
        share = np.expm1(depth / skin) / np.expm1((inner - bore) / skin)
        inside = (z > self.horn.start_cm) & (z < self.horn.end_cm) & (r < outer)
        b = 0.299792458e-2 * 0.02 * self.horn.current_ka * np.where(inside, share, 0.0) / np.maximum(r * r, 1e-12) / p
        return np.stack([px / p, py / p, pz / p, -b * x * pz, -b * y * pz, b * (x * px + y * py)])

    def carried(self, start: Start, size: float) -> tuple[Real, Real]:
        """Angles at the exit plane, in steps of `size` (cm) until all tracks are there."""
        t = start.track
        state = np.stack([np.asarray(v) for v in (t.x, t.y, start.z, t.px, t.py, t.pz())])
        p = np.asarray(t.p)
        weight = np.asarray(start.weight).copy()
        while True:
            left = BNB.exit - state[2]
            weight[state[5] < 0.05 * p] = 0.0
            going = (left > 1e-9) & (weight > 0)
            if not going.any():
                return np.stack([state[3] / state[5], state[4] / state[5]]), weight
            now, q = state[:, going], p[going]
            h = np.minimum(size, left[going] * q / now[5])
            k1 = self.slope(now, q)
            k2 = self.slope(now + 0.5 * h * k1, q)
            k3 = self.slope(now + 0.5 * h * k2, q)
            k4 = self.slope(now + h * k3, q)
            state[:, going] = now + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mesons", type=int, default=1 << 15)
    parser.add_argument("--without-rk4", action="store_true")
    chosen = parser.parse_args()
    n = chosen.mesons
    enable_x64()
    key = jnp.asarray(channel_key(1, "benchmark"))
    at = key, jnp.arange(n, dtype=jnp.uint32), jnp.zeros(n, jnp.uint32)
    start, _ = Sources(BNB).mesons(211, *at)
    skin = skin_depth(BNB)

    def run(through: Medium, scatter: bool) -> Outcome:
        outcome: Outcome = propagate(start, through, *at, skin, scatter)
        return outcome

    default, finest = (medium(BNB, 211, "neutrino", slab) for slab in (SLAB, SLAB / 16))
    steps = {"longest_step_cm": SLAB, "shortest_step_cm": SLAB / 2 ** len(LIMITS), "mesons": n}
    exact = angles(run(finest, False))
    load = os.getloadavg()[0]
    rate = n / seconds(lambda: run(default, True))
    record("beam_transport/bnb/matter", **steps, mesons_per_cpu_second=rate, load=load)
    cores = len(os.sched_getaffinity(0))
    rate = cores * n / wall_seconds(lambda: run(default, True), cores)
    record("beam_transport/bnb/all-cores", **steps, mesons_per_second=rate, at_once=cores, load=load)
    found = errors(angles(run(default, False)), exact)
    rate = n / seconds(lambda: run(default, False))
    record("beam_transport/bnb/deterministic", **steps, mesons_per_cpu_second=rate, load=load, **found)
    vacuum = without_matter(default)
    exact = angles(run(without_matter(finest), False))
    found = errors(angles(run(vacuum, False)), exact)
    rate = n / seconds(lambda: run(vacuum, False))
    record("beam_transport/bnb/field", **steps, mesons_per_cpu_second=rate, load=load, **found)
    if chosen.without_rk4:
        return
    few = min(n, 4096)
    some: Start = jax.tree.map(lambda a: a[:few], start)
    field = NumpyField()
    for size in (0.8, 0.2, 0.05):
        clock = time.process_time()
        result = field.carried(some, size)
        spent = time.process_time() - clock
        found = errors(result, (exact[0][:, :few], exact[1][:few]))
        record(
            "beam_transport/bnb/numpy-rk4",
            step_cm=size,
            mesons=few,
            mesons_per_cpu_second=few / spent,
            load=load,
            **found,
        )


if __name__ == "__main__":
    main()
