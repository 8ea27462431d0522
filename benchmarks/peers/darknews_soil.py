"""What does a model point of a scan cost with DarkNews 0.4.8? N5 made in the soil, N5 -> N4 e+ e- in MicroBooNE's TPC.

    python -m venv venv-darknews
    venv-darknews/bin/pip install DarkNews==0.4.8
    taskset -c 1 venv-darknews/bin/python benchmarks/peers/darknews_soil.py > FILE

DarkNews (arXiv:2207.04137, MIT licence) runs in its own environment, so this script imports nothing of darkhorn. The
points: m4 = 100 MeV, m5 = 150 to 250 MeV, mZ' = 1.25 GeV, |V_mu5|^2 = 2e-10, gD = 2, epsilon = 8e-4, Dirac, 6.8e20
POT, experiment `microboone_dirt` (a cone of SiO2 between the dump and the cryostat): the soil of the card
`microboone-soil`, without its argon, its other nuclides, its nuclear response and its antineutrinos.

DarkNews makes events in the soil and lets N5 decay at its vertex. What a rate needs after that is done here, and timed:
the flight of N5 (mean decay length as DarkNews states it), the chord of its direction through the TPC, and the
probability to decay there, which multiplies the weight: this is the best that can be made of its events, better than to
place the decays at random.

    wall_s     of one point: GenLauncher(...), .run(), and the probabilities. One process, one thread, after one small
               untimed run; median of `--repeat` runs, `wall_s_all` lists them
    cpu_s      the processor time of the same: what counts on a machine that others use as well
    ess        (sum w)^2 / sum w^2 of the weights with the probability
    s_to_1pct, cpu_s_to_1pct  seconds for an error of 1 %, ESS 10^4: time per event of the run times the events that
               takes, if the run were longer at no cost of its own
"""

import json
import os
import statistics
import sys
import tempfile
import time
from typing import Any

import numpy as np
from darknews import begin, quiet  # type: ignore[import-not-found]  # beside this script

POINT: dict[str, Any] = {
    "m4": 0.1,
    "mzprime": 1.25,
    "Umu4": 0.0,
    "Umu5": 2.0e-10**0.5,
    "gD": 2.0,
    "UD4": 1.0,
    "UD5": 1.0,
    "epsilon": 8.0e-4,
    "HNLtype": "dirac",
    "experiment": "microboone_dirt",
    "nu_flavors": ["nu_mu"],
    "decay_product": "e+e-",
}
SETTINGS: dict[str, Any] = {"neval": 10_000, "nint": 20, "neval_warmup": 1_000, "nint_warmup": 10}
MASSES = (0.15, 0.2, 0.25)  # GeV, of N5
TPC_HALF = np.array([128.0, 116.0, 520.0])  # cm; its centre is the origin, as in DarkNews' geometry


def tpc_probability(start: np.ndarray, momentum: np.ndarray, mass: float, ctau: float) -> np.ndarray:
    """Probability that N decays in the TPC. start (n, 3) cm, momentum (n, 3) GeV, ctau cm."""
    size = np.linalg.norm(momentum, axis=1)
    direction = momentum / size[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = ((sign * TPC_HALF - start) / direction for sign in (-1, 1))
    near = np.maximum(np.nanmax(np.minimum(one, two), axis=1), 0.0)
    far = np.nanmin(np.maximum(one, two), axis=1)
    length = size / mass * ctau
    return np.where(far > near, np.exp(-near / length) - np.exp(-np.maximum(far, near) / length), 0.0)


def one_run(darknews: Any, m5: float, settings: dict[str, Any]) -> dict[str, float]:
    """One model point: time in s, and what the events are worth."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        start, used = time.perf_counter(), time.process_time()
        launcher = darknews.GenLauncher(**POINT, m5=m5, **settings, path=folder, loglevel="ERROR")
        table = launcher.run(loglevel="ERROR")
        weight = np.asarray(table["w_event_rate"], dtype=np.float64).ravel()
        place = np.stack([np.asarray(table["pos_scatt", axis], float).ravel() for axis in "123"], axis=1)
        momentum = np.stack([np.asarray(table["P_decay_N_parent", axis], float).ravel() for axis in "123"], axis=1)
        ctau = next(float(value) for name, value in launcher.df.attrs.items() if name.endswith("_ctau0"))
        seen = weight * tpc_probability(place, momentum, m5, ctau)
        wall, cpu = time.perf_counter() - start, time.process_time() - used
    if not (seen.size and np.all(np.isfinite(seen)) and seen.sum() > 0):
        raise SystemExit("darknews_soil.py: weights are empty, negative or not finite: nothing to time")
    ess = float(seen.sum() ** 2 / np.square(seen).sum())
    facts = {"events": seen.size, "ess": ess, "sum_w": float(seen.sum()), "ctau_cm": ctau}
    return {"wall_s": wall, "cpu_s": cpu, **facts}


def main() -> int:
    """Time the points; one JSON line each on stdout."""
    darknews, repeat, where = begin(__doc__, "point")
    where |= {"load": os.getloadavg()[0]}
    one_run(darknews, MASSES[1], {"neval": 1_000, "nint": 3, "seed": 0})
    for m5 in MASSES:
        runs = [one_run(darknews, m5, SETTINGS | {"seed": seed + 1}) for seed in range(repeat)]
        median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        line = {
            "name": f"darknews/soil/m5-{1000 * m5:.0f}MeV",
            **median,
            "events": int(median["events"]),
            "wall_s_all": [run["wall_s"] for run in runs],
            "cpu_s_to_1pct": 1e4 / median["ess"] * median["cpu_s"],
            "events_per_s": median["events"] / median["wall_s"],
            "ess_per_s": median["ess"] / median["wall_s"],
            "s_to_1pct": 1e4 / median["ess"] * median["wall_s"],
            "settings": POINT | SETTINGS | {"m5": m5, "pot": 6.8e20},
        }
        print(json.dumps(line | where), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
