"""Pictures of scans, fluxes and event files. matplotlib is imported when one is drawn; no display is used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import CHUNK, Events
from darkhorn.generator.files.flux_file import is_flux_file, read_flux, reference_flux
from darkhorn.generator.files.output import new_file
from darkhorn.generator.files.read import read
from darkhorn.generator.files.scan_file import is_scan, read_scan
from darkhorn.generator.flux_plot import draw_flux
from darkhorn.generator.scan_grid import Axis
from darkhorn.generator.scan_result import FAILED, Scan
from darkhorn.kernels.errors import InputError

ENDINGS = (".png", ".pdf", ".svg")
_WORDS = {
    "model.m4": r"$m_{N_4}$",
    "model.m5": r"$m_{N_5}$",
    "model.m6": r"$m_{N_6}$",
    "model.mzprime": r"$m_{Z'}$",
    "model.umu4_sq": r"$|U_{\mu4}|^2$",
    "model.ue4_sq": r"$|U_{e4}|^2$",
    "model.utau4_sq": r"$|U_{\tau4}|^2$",
    "model.umu5_sq": r"$|V_{\mu5}|^2$",
    "model.ue5_sq": r"$|V_{e5}|^2$",
    "model.utau5_sq": r"$|V_{\tau5}|^2$",
    "model.umu4": r"$|U_{\mu4}|$",
    "model.umu5": r"$|V_{\mu5}|$",
    "model.epsilon": r"$\epsilon$",
    "model.gD": r"$g_D$",
    "model.alphaD": r"$\alpha_D$",
    "exposure": "exposure",
}
_DECADES = 12  # of events that a plane shows below its maximum


def plot_file(
    path: Path,
    output: Path,
    levels: Sequence[float] = (),
    overwrite: bool = False,
    reference: str | None = None,
    meaning: tuple[str | None, str | None] = (None, None),
) -> None:
    """Draw the scan, the flux or the events in a file. Raises InputError (file, ending, no matplotlib), OutputError.

    reference: a table of the flux to draw beside it (`files.flux_file.reference_flux`), whose numbers mean `meaning`
    (content, unit).
    """
    if output.suffix not in ENDINGS:
        raise InputError("-o", str(output), "a name that ends in " + ", ".join(ENDINGS), "The ending is the format.")
    figure_class = _figure_class()
    scan, flux = is_scan(path), is_flux_file(path)
    if reference is not None and not flux:
        raise InputError("--reference", f"{path}, which is no flux", "a file of `darkhorn flux -o`", "Leave it out.")
    if reference is None and meaning != (None, None):
        raise InputError("--content", "no --reference", "a table to which it applies", "Add --reference.")
    if levels and not scan:
        raise InputError("--level", "a flux" if flux else "an event file", "a scan of two axes", "Leave --level out.")
    other = reference_flux(reference, *meaning) if reference is not None else None
    with new_file(output, overwrite) as part:
        if flux:
            figure = draw_flux(read_flux(path), other, figure_class)
        else:
            figure = draw_scan(read_scan(path), levels, figure_class) if scan else draw_events(read(path), figure_class)
        figure.savefig(part, format=output.suffix[1:], dpi=160)


def _figure_class() -> Any:
    """The figure of matplotlib, with a renderer but without a window."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        do = 'Install it: pip install "darkhorn[plot]".'
        raise InputError("environment", "no package matplotlib", "matplotlib", do) from error
    return Figure


# ------------------------------------------------------------------------------------------------------------
# scans
def draw_scan(scan: Scan, levels: Sequence[float] = (), figure_class: Any = None) -> Any:
    """Figure of a scan: two axes of numbers as a plane with contours of expected events, one axis as a line with its
    error.

    An axis of words beside one of numbers makes one line per word. Raises InputError for other scans.
    """
    figure_class = figure_class or _figure_class()
    numbers = [i for i, axis in enumerate(scan.grid.axes) if axis.number is not None]
    words = [i for i in range(len(scan.grid.axes)) if i not in numbers]
    figure = figure_class(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    if len(numbers) == 2 and not words:
        _plane(figure, axes, scan, levels)
    elif levels:
        raise InputError("--level", "a scan without a plane", "a scan of two axes of numbers", "Leave --level out.")
    elif len(numbers) == 1 and len(words) <= 1:
        _lines(axes, scan, numbers[0], words)
    else:
        found = f"{len(numbers)} axes of numbers and {len(words)} of words"
        raise InputError("FILE", found, "one or two axes of numbers, or one and one of words", "Scan fewer axes.")
    axes.set_title(f"{_name(scan)}, {_power(scan.card.exposure)} POT", fontsize=11)
    return figure


def _name(scan: Scan) -> str:
    return str(scan.card.detector.name)


def _plane(figure: Any, axes: Any, scan: Scan, levels: Sequence[float]) -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogFormatterMathtext, LogLocator

    x, y = scan.grid.axes
    order = tuple(np.argsort(axis.numbers) for axis in (x, y))
    events = scan.events[np.ix_(*order)].T
    positive = np.where(events > 0, events, np.nan)
    if not np.isfinite(positive).any():
        raise InputError("FILE", "no expected events at any point", "events above zero somewhere", "Widen the grid.")
    top = float(np.nanmax(positive))
    low = max(float(np.nanmin(positive)), top * 10.0**-_DECADES)
    low = low if low < top else top / 10
    xs, ys = x.numbers[order[0]], y.numbers[order[1]]
    mesh = axes.pcolormesh(xs, ys, positive, norm=LogNorm(low, top), cmap="viridis", shading="nearest", rasterized=True)
    refused = scan.status[np.ix_(*order)].T == FAILED
    if refused.any():
        axes.pcolormesh(
            xs, ys, np.where(refused, 1.0, np.nan), cmap="Greys", vmin=0, vmax=4, shading="nearest", rasterized=True
        )
        axes.plot([], [], "s", color="0.8", label="not allowed")
        axes.legend(loc="upper left", frameon=True, fontsize=9)
    bar = figure.colorbar(mesh, ax=axes, label="expected events")
    decades = np.log10(top / low)
    bar.ax.yaxis.set_major_locator(LogLocator(numticks=8 if decades > 8 else 12))
    wanted = sorted(levels) or [10.0**k for k in range(int(np.ceil(np.log10(low))), int(np.floor(np.log10(top))) + 1)]
    step = 1 if levels else max(1, round(len(wanted) / 8))
    anchored = [level for level in wanted if levels or round(np.log10(level)) % step == 0]
    inside = [level for level in anchored if low < level < top]
    if inside and min(events.shape) > 1:
        floor = np.where(np.isfinite(positive), positive, np.where(np.isfinite(events), low * 1e-3, np.nan))
        lines = axes.contour(
            xs, ys, np.log10(floor), levels=np.log10(inside), colors="white", linewidths=0.9, linestyles="solid"
        )
        plain = LogFormatterMathtext()
        names = {np.log10(v): f"{v:g}" if levels or 1e-2 <= v <= 1e3 else plain(v) for v in inside}
        axes.clabel(lines, fmt=names, fontsize=8)
    _scales(axes, x, y)


def _lines(axes: Any, scan: Scan, along: int, words: list[int]) -> None:
    axis = scan.grid.axes[along]
    order = np.argsort(axis.numbers)
    x = axis.numbers[order]
    for k in range(len(scan.grid.axes[words[0]]) if words else 1):
        pick: tuple[Any, ...] = tuple(k if i in words else order for i in range(len(scan.grid.axes)))
        events, error = scan.events[pick], scan.error[pick]
        label = scan.grid.axes[words[0]].values[k] if words else None
        axes.plot(x, events, lw=1.4, marker="o" if len(x) < 30 else "", ms=3, label=label)
        axes.fill_between(x, events - error, events + error, alpha=0.3, lw=0)
    if words:
        axes.legend(frameon=False)
    positive = scan.events[scan.events > 0]
    if positive.size and positive.max() > 20 * positive.min():
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(positive.min() / 2, positive.max() * 10.0**-_DECADES))
    axes.set_ylabel("expected events")
    axes.set_xlabel(_label(axis))
    axes.set_xscale(_scale(axis))
    axes.grid(alpha=0.25, lw=0.6)


def _scales(axes: Any, x: Axis, y: Axis) -> None:
    axes.set_xlabel(_label(x))
    axes.set_ylabel(_label(y))
    axes.set_xscale(_scale(x))
    axes.set_yscale(_scale(y))


def _scale(axis: Axis) -> str:
    numbers = np.sort(axis.numbers)
    if axis.scale == "list":  # a list may be spaced by factors
        return "log" if numbers[0] > 0 and numbers[-1] > 50 * numbers[0] else "linear"
    return axis.scale


def _label(axis: Axis) -> str:
    name = _WORDS.get(axis.key, axis.key.removeprefix("model."))
    return f"{name} ({axis.unit})" if axis.unit else name


def _power(value: float) -> str:
    """6.87e20 -> $6.87 \\times 10^{20}$."""
    digits, exponent = f"{value:.3g}".partition("e")[::2]
    return rf"${digits} \times 10^{{{int(exponent)}}}$" if exponent else digits


# ------------------------------------------------------------------------------------------------------------
# events
def draw_events(events: Events, figure_class: Any = None) -> Any:
    """Figure of the standard distributions of the visible pair, weighted to the exposure of the file.

    Energy, cosine to the z axis of the detector, opening angle, energy asymmetry |E1 - E2|/(E1 + E2), and the vertex of
    the decay. Raises InputError for events without a pair of visible leptons.
    """
    figure_class = figure_class or _figure_class()
    found = pair_quantities(events)
    figure = figure_class(figsize=(10.0, 6.0), layout="constrained")
    panels = figure.subplots(2, 3)
    weight = found["weight"]
    for panel, (name, label, low, high) in zip(
        panels.flat,
        (
            ("energy", r"$E_{\ell\ell}$ (GeV)", 0.0, _upper(found["energy"], weight)),
            ("cosine", r"$\cos\theta_{\ell\ell}$", _lower(found["cosine"], weight), 1.0),
            ("opening", r"opening angle (deg)", 0.0, min(_upper(found["opening"], weight), 180.0)),
            ("asymmetry", r"$|E_+ - E_-|/(E_+ + E_-)$", 0.0, 1.0),
            ("decay_z", r"$z$ of the decay (cm)", *_ends(found["decay_z"])),
        ),
        strict=False,
    ):
        _histogram(panel, found[name], weight, label, low, high)
    _vertices(figure, panels.flat[5], found)
    header = events.header
    figure.suptitle(
        f"{header.detector.get('name', '')}: {events.sum_w:.4g} expected events in {_power(header.pot)} POT, "
        f"{len(events)} generated",
        fontsize=11,
    )
    return figure


def pair_quantities(events: Events) -> dict[str, NDArray[np.float64]]:
    """Columns of all events: energy (GeV), cosine, opening (degrees), asymmetry, decay_{x,y,z} (cm), weight.

    The opening angle is 2 atan2(|a - b|, |a + b|) of the unit vectors a and b, which keeps its digits at small angles.
    """
    parts: dict[str, list[NDArray[np.float64]]] = {}
    for topology, columns in events.chunks(CHUNK):
        roles = {particle.role for particle in topology.particles}
        pair = next((p for p in (("em", "ep"), ("mum", "mup")) if set(p) <= roles), None)
        if pair is None:
            do = "Look at its columns with `darkhorn info`."
            raise InputError("FILE", f"events `{topology.name}` without a pair of visible leptons", "e+e- events", do)
        one, two = (np.stack([columns[f"{role}_{c}"] for c in ("e", "px", "py", "pz")]) for role in pair)
        both = one + two
        a, b = (p[1:] / np.linalg.norm(p[1:], axis=0) for p in (one, two))
        made = {
            "energy": both[0],
            "cosine": both[3] / np.linalg.norm(both[1:], axis=0),
            "opening": np.degrees(2 * np.arctan2(np.linalg.norm(a - b, axis=0), np.linalg.norm(a + b, axis=0))),
            "asymmetry": np.abs(one[0] - two[0]) / both[0],
            **{name: columns[name] for name in ("decay_x", "decay_y", "decay_z", "weight")},
        }
        for name, values in made.items():
            parts.setdefault(name, []).append(np.asarray(values, np.float64))
    if not parts:
        raise InputError("FILE", "no events", "events", "Make some with `darkhorn generate`.")
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def _quantile(values: NDArray[np.float64], weight: NDArray[np.float64], share: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    at = np.searchsorted(cumulative, share * cumulative[-1])
    return float(values[order][min(at, len(values) - 1)])


def _upper(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    return 1.15 * _quantile(values, weight, 0.998)


def _lower(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    lowest = _quantile(values, weight, 0.005)
    return max(-1.0, 1 - 1.15 * (1 - lowest))


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1, high + 1)


def _histogram(
    panel: Any, values: NDArray[np.float64], weight: NDArray[np.float64], label: str, low: float, high: float
) -> None:
    """Expected events per bin with the error of the sample."""
    edges = np.linspace(low, high, 41)
    content = np.histogram(values, edges, weights=weight)[0]
    error = np.sqrt(np.histogram(values, edges, weights=weight**2)[0])
    panel.stairs(content, edges, color="C0", lw=1.3)
    panel.stairs(content + error, edges, baseline=content - error, fill=True, color="C0", alpha=0.3)
    panel.set_xlim(low, high)
    panel.set_ylim(bottom=0)
    panel.set_xlabel(label)
    panel.set_ylabel("expected events / bin")
    panel.ticklabel_format(axis="y", scilimits=(-3, 4))


def _vertices(figure: Any, panel: Any, found: dict[str, NDArray[np.float64]]) -> None:
    """Decays in the plane across the beam."""
    ends = [_ends(found[name]) for name in ("decay_x", "decay_y")]
    counts, x, y = np.histogram2d(found["decay_x"], found["decay_y"], 24, range=ends, weights=found["weight"])
    mesh = panel.pcolormesh(x, y, counts.T, cmap="viridis", vmin=0, rasterized=True)
    bar = figure.colorbar(mesh, ax=panel, label="expected events / bin")
    bar.formatter.set_powerlimits((-3, 4))
    panel.set_xlabel("$x$ of the decay (cm)")
    panel.set_ylabel("$y$ of the decay (cm)")
    panel.set_aspect("equal")
