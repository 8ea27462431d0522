"""Fit the shipped flux tables to the published ones: `python -m darkhorn.fluxes.fit_tables --published DIR`.

Each flavour becomes a curve (`LogCurve`) whose integrals over the published bins agree with the published numbers.
Knots are added, one at a time, where a bin is further off than its tolerance: a smooth spectrum needs one every 100 to
200 MeV, one with the statistical fluctuations of its simulation up to one per bin. The fit has no random numbers: the
same input gives the same files.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.curves import LogCurve, bin_points, spline_matrix, turn_on
from darkhorn.fluxes.decay_line import decay_line
from darkhorn.fluxes.readers import read_flux_file
from darkhorn.fluxes.tables import BIN_WIDTH, NAMES, Flux
from darkhorn.kernels.errors import DarkhornError, InputError, OutputError

Array = NDArray[np.float64]

VERSION = 1
DATE = "2026-11-20"
INTEGRALS = ((0.0, 99.0), (0.1, 3.0), (0.2, 2.0))  # GeV; kept to 1e-4
INTEGRAL_TOLERANCE = 1e-4
# Above 3 GeV bins are merged until the statistics allow a smooth curve: (from GeV, bins of 50 MeV, relative tolerance).
COARSE = ((3.0, 2, 0.02), (4.0, 5, 0.05), (5.0, 10, 0.10))
START_KNOTS = (
    0.0,
    0.075,
    0.225,
    0.425,
    0.675,
    0.975,
    1.375,
    1.775,
    2.175,
    2.575,
    2.975,
    3.5,
    4.0,
    4.5,
    5.0,
    5.5,
    6.0,
    6.5,
    7.0,
    7.5,
)
RATIO_KNOTS = (0.05, 0.4, 0.8, 1.2, 1.6, 2.0, 2.5, 3.2, 4.5)
SHARE_KNOTS = (
    0.0,
    0.1,
    0.15,
    0.2,
    0.25,
    0.3,
    0.4,
    0.7,
    1.0,
    1.25,
    1.5,
    1.75,
    2.0,
    2.25,
    2.5,
    2.75,
    3.0,
    3.5,
    4.0,
    5.0,
    6.0,
)
PARENTS = {211: "pi", 321: "Kpm", 130: "K0L", 13: "mu"}

# (distance from the front of the horn in cm, mean square of the angle to the beam axis) of what each flux is averaged
# over: TPC of MicroBooNE (256 x 233 cm, on the axis), disc of MiniBooNE (radius 610.6 cm, 189.6 cm above the axis), the
# two TPCs of ICARUS (61.9 < |x| < 358.5 cm, |y + 23.45 cm| < 158.4 cm). The mean square angle is enough where the flux
# falls with theta^2, as that of pions of 1/gamma >> theta does.
MICROBOONE_PLACE = (46854.75, (256.35**2 + 233.0**2) / 12 / 46854.75**2)
MINIBOONE_PLACE = (54134.0, (610.6**2 / 2 + 189.6**2) / 54134.0**2)
ICARUS_PLACE = (60000.0, ((358.49**3 - 61.94**3) / (3 * 296.55) + 316.82**2 / 12 + 23.45**2) / 60000.0**2)

MINIBOONE = "MiniBooNE flux data release to Phys. Rev. D 79 (2009) 072002, arXiv:0806.1449"
MICROBOONE = "MicroBooNE BNB flux tables (MCC9 flux simulation, averaged over the active volume)"


@dataclass(frozen=True)
class Groups:
    """Bins of a published table, merged above 3 GeV. All of shape (g,), `edges` (g+1,)."""

    edges: Array
    content: Array
    tolerance: Array


def merge_bins(flux: Flux, tolerance: float) -> Groups:
    """Bins to fit to: the published ones below 3 GeV, wider ones above, up to the last one with flux."""
    last = int(np.flatnonzero(flux.content)[-1]) + 1
    starts, tolerances = [], []
    i = 0
    while i < last:
        width, limit = 1, tolerance
        for low, count, loose in COARSE:
            if flux.edges[i] > low - 1e-9:
                width, limit = count, max(loose, tolerance)
        starts.append(i)
        tolerances.append(limit)
        i += width
    stop = min(i, flux.content.size)
    content = np.add.reduceat(flux.content[:stop], starts)
    edges = flux.edges[[*starts, stop]]
    keep = content > 0  # only the tail has empty bins; it is cut at the first of them
    count = content.size if keep.all() else int(np.flatnonzero(~keep)[0])
    return Groups(edges[: count + 1], content[:count], np.array(tolerances[:count]))


def solve(groups: Groups, knots: Array) -> LogCurve:
    """Values at the knots by least squares (Gauss-Newton) in the logarithms of the merged bins and the `INTEGRALS`."""
    fine = np.linspace(0.0, groups.edges[-1], round(groups.edges[-1] / BIN_WIDTH) + 1)
    points, weights = bin_points(fine)
    matrix = spline_matrix(knots, points.ravel())
    owner = np.searchsorted(groups.edges, points.ravel(), side="right") - 1
    centres = (groups.edges[1:] + groups.edges[:-1]) / 2
    sums = [np.flatnonzero((centres > low) & (centres < high)) for low, high in INTEGRALS]
    target = np.log(np.concatenate([groups.content, [groups.content[rows].sum() for rows in sums]]))
    scale = 1 / np.concatenate([groups.tolerance, np.full(len(sums), INTEGRAL_TOLERANCE)])
    density = groups.content / np.diff(groups.edges)
    values = np.interp(knots, centres, np.log(density / turn_on(centres)))
    for _ in range(12):
        height = weights.ravel() * turn_on(points.ravel()) * np.exp(matrix @ values)
        bins = np.bincount(owner, height, groups.content.size)
        slopes = np.zeros((groups.content.size, knots.size))
        np.add.at(slopes, owner, height[:, None] * matrix)
        model = np.concatenate([bins, [bins[rows].sum() for rows in sums]])
        jacobian = np.concatenate([slopes, np.array([slopes[rows].sum(axis=0) for rows in sums])]) / model[:, None]
        residual = target - np.log(model)
        step = np.linalg.lstsq(jacobian * scale[:, None], residual * scale, rcond=1e-10)[0]
        values = values + np.clip(step, -1.0, 1.0)
    return LogCurve(knots, np.round(values, 5))


def fit_curve(flux: Flux, tolerance: float, closest: float) -> LogCurve:
    """Curve with knots until every merged bin is within its tolerance, no two of them closer than `closest` GeV."""
    groups = merge_bins(flux, tolerance)
    end = float(groups.edges[-1])
    centres = (groups.edges[1:] + groups.edges[:-1]) / 2
    knots = np.array([*(k for k in START_KNOTS if k < end - 0.2), end])
    while True:
        curve = solve(groups, knots)
        off = np.abs(curve_bins(curve, groups.edges) / groups.content - 1) / groups.tolerance
        for group in np.argsort(-off):
            if off[group] <= 1:
                return curve
            new = _room_for(knots, float(centres[group]), centres, closest)
            if new is not None:
                knots = np.sort(np.append(knots, new))
                break
        else:
            return curve


def curve_bins(curve: LogCurve, edges: Array) -> Array:
    """Integrals of the curve over bins of any width, through the same fine bins as the shipped tables. Shape (n,)."""
    count = round(float(curve.energy[-1]) / BIN_WIDTH)
    fine: Array = BIN_WIDTH * np.arange(count + 1, dtype=np.float64)
    total = np.concatenate([[0.0], np.cumsum(curve.integrate(fine))])
    return np.diff(np.interp(edges, fine, total))


def _room_for(knots: Array, energy: float, centres: Array, closest: float) -> float | None:
    """Free bin centre nearest to an energy (within 0.2 GeV), at least `closest` from every knot, or None."""
    distance = np.abs(centres[:, None] - knots).min(axis=1)
    free = centres[(distance > closest - 1e-9) & (np.abs(centres - energy) < 0.2)]
    return round(float(free[np.argmin(np.abs(free - energy))]), 4) if free.size else None


def smooth_ratio(top: Flux, bottom: Flux) -> Callable[[Array], Array]:
    """Smooth ratio of two fluxes with the same edges, constant outside the knots; least squares, weighted by flux."""
    centres = (top.edges[1:] + top.edges[:-1]) / 2
    use = (top.content > 0) & (bottom.content > 0) & (centres < RATIO_KNOTS[-1])
    knots = np.array(RATIO_KNOTS)
    weight = np.sqrt(bottom.content[use])
    logs = np.log(top.content[use] / bottom.content[use])
    values = np.linalg.lstsq(spline_matrix(knots, centres[use]) * weight[:, None], logs * weight, rcond=None)[0]

    def ratio(energy: Array) -> Array:
        result: Array = np.exp(spline_matrix(knots, np.clip(energy, knots[0], knots[-1])) @ values)
        return result

    return ratio


def place_factor(pdg: int, energy: Array, place: tuple[float, float]) -> Array:
    """Mean of 1/(L - z)^2 in cm^-2 over the birth points z of neutrinos (n,) of the BNB in neutrino mode."""
    line = decay_line("bnb", "neutrino")
    z = np.linspace(line.start_cm, line.end_cm, 2001)
    density = line.density(pdg, np.repeat(energy, z.size), np.tile(z, energy.size)).reshape(energy.size, z.size)
    mean: Array = np.sum(density / (place[0] - z) ** 2, axis=1) / np.sum(density, axis=1)
    return mean


def at_icarus(micro: Flux, mini: Flux) -> Flux:
    """Flux of neutrino mode at ICARUS from those at MicroBooNE and MiniBooNE, bin by bin.

    ln(flux / mean of 1/(L - z)^2) is taken as linear in the mean square angle, which lies between those of the two: at
    17 % of the way from MicroBooNE. The ratio of the two tables is smoothed.
    """
    centres = (micro.edges[1:] + micro.edges[:-1]) / 2
    near, far, here = MICROBOONE_PLACE, MINIBOONE_PLACE, ICARUS_PLACE
    way = (here[1] - near[1]) / (far[1] - near[1])
    factors = {place: place_factor(micro.pdg, centres, place) for place in (near, far, here)}
    ratio = smooth_ratio(mini, micro)(centres) * factors[near] / factors[far]
    return Flux.from_bins(micro.pdg, micro.edges, micro.content * ratio**way * factors[here] / factors[near], "ICARUS")


def parent_shares(path: Path) -> dict[str, dict[str, list[float]]]:
    """Share of each last parent in each flavour at `SHARE_KNOTS` (straight lines between), by least squares."""
    try:
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        table = {column: np.array([float(row[column]) for row in rows]) for column in rows[0]}
        centres = (table["E_lo_GeV"] + table["E_hi_GeV"]) / 2
        hats = np.array([np.interp(centres, SHARE_KNOTS, unit) for unit in np.eye(len(SHARE_KNOTS))]).T
        result = {}
        for pdg in (14, -14, 12, -12):
            flavour = NAMES[pdg]
            parts = np.array([table[f"{flavour}_from_{short}"] for short in PARENTS.values()])
            use = (parts.sum(axis=0) > 0) & (centres < SHARE_KNOTS[-1] + 0.5)
            shares = (parts[:, use] / parts[:, use].sum(axis=0)).T
            fit = np.maximum(np.linalg.lstsq(hats[use], shares, rcond=None)[0], 0.0)
            fit /= fit.sum(axis=1, keepdims=True)
            result[str(pdg)] = {
                str(parent): np.round(column, 4).tolist() for parent, column in zip(PARENTS, fit.T, strict=True)
            }
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        allowed = "the published table split by last parent"
        raise InputError(str(path), f"{type(error).__name__}: {error}", allowed, "Check the folder.") from None
    return result


def report(name: str, flux: Flux, curve: LogCurve) -> str:
    """One line: the largest deviation per bin and that of three integrals, in per cent, and the number of knots."""
    edges = flux.edges
    bins = curve_bins(curve, edges)
    deviation = 100 * (bins / np.maximum(flux.content, 1e-300) - 1)
    inside = (edges[:-1] > 0.0999) & (edges[1:] < 3.0001)
    parts = []
    for low, high in INTEGRALS:
        rows = (edges[:-1] > low - 1e-4) & (edges[1:] < high + 1e-4)
        parts.append(f"{100 * (bins[rows].sum() / flux.content[rows].sum() - 1):+8.4f}")
    low_bins = np.abs(deviation[: int(np.argmax(inside))]).max()
    text = f"{np.abs(deviation[inside]).max():8.3f} {low_bins:8.3f} {' '.join(parts)} {curve.energy.size:6d}"
    return f"{name:34s} {NAMES[flux.pdg]:8s} {text}"


def write_json(path: Path, source: str, body: dict[str, object]) -> None:
    """Write a table; its first lines say where it comes from."""
    head = {"source": source, "version": VERSION, "date": DATE}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in {**head, **body}.items()]
    try:
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(str(path), error.strerror or str(error), "a folder to write to", "Check `--out`.") from None


def _published(folder: Path, name: str) -> dict[int, Flux]:
    return read_flux_file(folder / name, content="per-bin", unit="cm^-2 POT^-1").fluxes


def _store(
    out: Path, name: str, source: str, fluxes: dict[int, Flux], tolerance: dict[int, float], closest: float
) -> None:
    knots: dict[str, list[list[float]]] = {}
    for pdg in (14, -14, 12, -12):
        curve = fit_curve(fluxes[pdg], tolerance[pdg], closest)
        knots[str(pdg)] = [[float(e), float(v)] for e, v in zip(curve.energy, curve.log_phi, strict=True)]
        click.echo(report(name, fluxes[pdg], curve))
    write_json(
        out / f"{name}.json", source, {"columns": "E_GeV, ln[phi (E + 0.05 GeV)/E cm^2 POT GeV]", "knots": knots}
    )


def fit_all(published: Path, out: Path) -> None:
    """Fit every shipped table and write it to the folder `out`."""
    click.echo(f"{'deviation from the published table, %':43s} max/bin  <0.1GeV      all   0.1-3 GeV 0.2-2 GeV knots")
    mini, anti = _published(published, "miniboone_FHC.csv"), _published(published, "miniboone_RHC.csv")
    micro = _published(published, "microboone_BNB_FHC.csv")
    fine = dict.fromkeys((14, -14, 12, -12), 0.009)
    how = "Own smooth curve, fitted to the"
    _store(out, "bnb-neutrino-miniboone", f"{how} {MINIBOONE}, neutrino mode.", mini, fine, 0.05)
    _store(out, "bnb-antineutrino-miniboone", f"{how} {MINIBOONE}, antineutrino mode.", anti, fine, 0.05)
    _store(out, "bnb-neutrino-microboone", f"{how} {MICROBOONE}, neutrino mode.", micro, fine, 0.05)

    # The horn sorts by charge: the focused (right) sign of one mode stands where the focused sign of the other stood.
    moved = {}
    for pdg, flux in anti.items():
        ratio = smooth_ratio(micro[-pdg], mini[-pdg])
        centres = (flux.edges[1:] + flux.edges[:-1]) / 2
        moved[pdg] = Flux.from_bins(pdg, flux.edges, flux.content * ratio(centres), "extrapolation")
    source = (
        f"EXTRAPOLATION, no published table exists: the {MINIBOONE}, antineutrino mode, times the smooth ratio of the "
        f"{MICROBOONE} to MiniBooNE in neutrino mode, right sign for right sign and wrong for wrong."
    )
    _store(out, "bnb-antineutrino-microboone", source, moved, fine, 0.05)

    sbnd = _published(published, "sbnd_BNB_FHC_digitised.csv")
    loose = {14: 0.015, -14: 0.05, 12: 0.08, -12: 0.5}  # these points scatter more than the flux
    source = (
        "Own smooth curve through points DIGITISED from the SBND flux shown at NuFact 2022 (no published table), "
        "neutrino mode, 0 to 3 GeV."
    )
    _store(out, "bnb-neutrino-sbnd", source, sbnd, loose, 0.05)

    source = (
        "Shares of the last parent, fitted to the MiniBooNE beam simulation behind Phys. Rev. D 79 (2009) 072002, "
        "arXiv:0806.1449 (histograms april07_baseline_rgen610.6 of the public G4BNB code), neutrino mode."
    )
    shares = parent_shares(published / "miniboone_FHC_by_parent.csv")
    write_json(out / "bnb_parents.json", source, {"energy_GeV": list(SHARE_KNOTS), "shares": shares})

    source = (
        f"EXTRAPOLATION, no published table exists: the {MICROBOONE} and the {MINIBOONE}, neutrino mode, moved to "
        "600 m along the line of decays and interpolated in the mean square of the angle to the beam axis."
    )
    icarus = {pdg: at_icarus(flux, mini[pdg]) for pdg, flux in micro.items()}
    _store(out, "bnb-neutrino-icarus", source, icarus, fine, 0.05)


@click.command()
@click.option(
    "--published", required=True, type=click.Path(path_type=Path), help="Folder with the published tables (CSV)."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write to [default: fluxes/data of this package]."
)
def main(published: Path, out: Path | None) -> None:
    """Rewrite the shipped flux tables from the published ones and print how well they agree."""
    try:
        fit_all(published, out if out is not None else Path(__file__).parent / "data")
    except DarkhornError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
