"""Small dk2nu and gsimple files, written with uproot, and the published formula of dk2nu in extended precision."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MASSES = {211: 0.13957039, 321: 0.493677, 130: 0.497611, 13: 0.1056583755}
# ndecay -> (ntype, ptype, mass of the charged lepton, or None for three bodies)
DECAYS = {
    13: (14, 211), 14: (-14, -211), 5: (14, 321), 6: (12, 321), 1: (12, 130), 11: (12, -13), 12: (14, 13),
}  # fmt: skip


def decays(rng: np.random.Generator, number: int = 40) -> dict[str, NDArray[Any]]:
    """Entries of dk2nuTree: every decay of `DECAYS`, parents of 0 to 8 GeV, some at rest."""
    kind = np.array(list(DECAYS))[np.arange(number) % len(DECAYS)]
    ntype, ptype = (np.array([DECAYS[k][i] for k in kind], np.int32) for i in (0, 1))
    ntype = np.where((kind == 11) & (np.arange(number) % 2 == 0), -14, ntype).astype(np.int32)
    mass = np.array([MASSES[abs(p)] for p in ptype])
    p = rng.uniform(0.05, 8, number)
    p[::11] = 0.0
    theta, phi = np.abs(rng.normal(0, 0.3, number)), rng.uniform(0, 2 * np.pi, number)
    direction = np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
    momentum = p * direction
    made = momentum * rng.uniform(1.0, 1.2, number) + rng.normal(0, 0.02, (3, number))
    made[2] = np.abs(made[2]) + 0.05  # slopes need p_z
    before = made * rng.uniform(1, 2, number) + rng.normal(0, 0.05, (3, number))
    d: dict[str, NDArray[Any]] = {
        "norig": np.zeros(number, np.int32),
        "ndecay": kind.astype(np.int32),
        "ntype": ntype,
        "ptype": ptype,
        "ppmedium": np.zeros(number, np.int32),
        "necm": rng.uniform(0.2, 0.99, number) * mass / 2,
        "nimpwt": rng.uniform(0.5, 20, number),
        "ppdxdz": made[0] / made[2],
        "ppdydz": made[1] / made[2],
        "pppz": made[2],
        "ppenergy": np.sqrt(np.sum(made**2, axis=0) + mass**2),
        "mupare": np.sqrt(np.sum(before**2, axis=0) + MASSES[211] ** 2),
    }
    for i, axis in enumerate("xyz"):
        d[f"v{axis}"] = rng.normal(0, 30, number) if axis != "z" else rng.uniform(0, 5000, number)
        d[f"pdp{axis}"], d[f"muparp{axis}"] = momentum[i], before[i]
    return d


def write_dk2nu(
    path: Path, d: dict[str, NDArray[Any]], pots: tuple[float, ...] = (1e5,), prefix: str = "decay.",
    leave_out: tuple[str, ...] = (), meta: bool = True, ancestors: dict[str, list[list[float]]] | None = None,
) -> Path:  # fmt: skip
    """The file that a simulation with these decays writes; `prefix` of the branches; ancestors: startt, startx, ..."""
    import uproot

    with uproot.recreate(path) as file:
        columns = {f"{prefix}{name}": values for name, values in d.items() if name not in leave_out}
        types: dict[str, Any] = {name: values.dtype for name, values in columns.items()}
        if ancestors:
            import awkward

            columns |= {f"ancestor.{name}": awkward.Array(lists) for name, lists in ancestors.items()}
            types |= {f"ancestor.{name}": "var * float64" for name in ancestors}
        file.mktree("dk2nuTree", types)
        if len(next(iter(columns.values()))):
            file["dk2nuTree"].extend(columns)
        if meta:
            file.mktree("dkmetaTree", {"pots": np.float64})
            if pots:
                file["dkmetaTree"].extend({"pots": np.array(pots)})
    return path


def write_gsimple(
    path: Path, entries: dict[str, NDArray[Any]], protons: float = 1e6,
    sides: tuple[tuple[float, float, float], tuple[float, float, float]] = ((0, 2.0, 0.5), (3.0, 0, 0)),
) -> Path:  # fmt: skip
    """A gsimple file; lengths in m."""
    import uproot

    with uproot.recreate(path) as file:
        file.mktree("flux", {name: values.dtype for name, values in entries.items()})
        file["flux"].extend(entries)
        file.mktree("meta", {"protons": np.float64, "windowDir1": (np.float64, (3,)), "windowDir2": (np.float64, (3,))})
        file["meta"].extend(
            {"protons": np.array([protons]), "windowDir1": np.array([sides[0]]), "windowDir2": np.array([sides[1]])}
        )
    return path


def published_weight(d: dict[str, NDArray[Any]], i: int, point: tuple[float, float, float]) -> tuple[float, float]:
    """Energy, and weight for a disc of 1 m radius, of entry i at a point (cm): the steps of NUMI-NOTE-BEAM-0109, with
    the beta and gamma of textbooks, in extended precision.
    """
    long = np.longdouble
    mass = long(MASSES[abs(int(d["ptype"][i]))])
    p = np.array([d[f"pdp{a}"][i] for a in "xyz"], long)
    away = np.array([x - long(d[f"v{a}"][i]) for x, a in zip(point, "xyz", strict=True)], long)
    distance = np.sqrt(away @ away)
    energy = np.sqrt(p @ p + mass * mass)
    gamma, beta = energy / mass, np.sqrt(p @ p) / energy
    ratio = long(1)
    if beta > 0:
        ratio = 1 / (gamma * (1 - beta * (p @ away) / (np.sqrt(p @ p) * distance)))
    star = long(d["necm"][i])
    weight = (1 - np.cos(np.arctan(100 / distance))) / 2 * ratio**2
    if d["ndecay"][i] in (11, 12):
        nu = away / distance * star * ratio

        def into(k: NDArray[Any], e: Any, velocity: NDArray[Any], g: Any) -> NDArray[Any]:
            parallel = g * (velocity @ k)
            shifted: NDArray[Any] = k - velocity * g * (e - parallel / (g + 1))
            return shifted

        daughter = into(nu, star * ratio, p / energy, gamma)
        then = long(d["ppenergy"][i])
        slope = np.array([d["ppdxdz"][i], d["ppdydz"][i], 1], long) * long(d["pppz"][i])
        parent = np.array([d[f"muparp{a}"][i] for a in "xyz"], long)
        seen = into(parent, long(d["mupare"][i]), slope / then, then / mass)
        cosine = daughter @ seen / np.sqrt((daughter @ daughter) * (seen @ seen))
        if abs(d["ntype"][i]) == 12:
            weight *= 1 - cosine
        else:
            x = 2 * star / mass
            weight *= ((3 - 2 * x) - (1 - 2 * x) * cosine) / (3 - 2 * x)
    return float(star * ratio), float(weight)
