"""Every figure of the documentation, made again by one command:

    python docs/plots/make_plots.py [NAME ...]

The PNG files land beside this script and are committed. Needs the extra `docs`. Takes about a minute on one core.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

import darkhorn
from darkhorn.fluxes.decay_line import decay_line
from darkhorn.fluxes.tables import shipped_flux
from darkhorn.generator.processes.dark_neutrino_targets import scatterer
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.constants import ELECTRIC_CHARGE, MASS_ELECTRON, SPEED_OF_LIGHT
from darkhorn.kernels.kinematics import FourVector, Vector, boost_to_rest
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles, sample_chain
from darkhorn.kernels.matrix_elements.upscattering import Vertices, dsigma_dq2, invariants

mpl.use("Agg")
from matplotlib import pyplot as plt

FOLDER = Path(__file__).resolve().parent
BLUE, RED, GREEN, GREY = "#1f5fa8", "#c0392b", "#2e8b57", "#777777"
FIGURES: dict[str, Callable[[], Any]] = {}
Array = NDArray[np.float64]


def figure(function: Callable[[], Any]) -> Callable[[], Any]:
    """Register a function that draws and returns a figure; its name is the name of the file."""
    FIGURES[function.__name__] = function
    return function


def _save(name: str, fig: Any) -> Path:
    path = FOLDER / f"{name}.png"
    fig.savefig(path, dpi=95, metadata={"Software": None})
    plt.close(fig)
    return path


def _axes(columns: int, width: float = 8.6, height: float = 3.6) -> tuple[Any, Any]:
    return plt.subplots(1, columns, figsize=(width, height), layout="constrained")


@figure
def cross_section() -> Any:
    """Differential cross section on C12 and Ar40, and the total one against energy."""
    card = darkhorn.load_card("microboone")
    model: Any = card.model
    fig, (left, right) = _axes(2)
    energy = 1.0
    for name, colour in (("C12", GREEN), ("Ar40", BLUE)):
        what = nuclide(name)
        target = scatterer(what, "coherent", 20)
        couplings = (-model.gD * model.umu4_sq**0.5, ELECTRIC_CHARGE * model.epsilon * what.Z, 0.0, 0.0)
        ends = Vertices(*map(jnp.asarray, couplings))
        # the same charge inside 10^-3 fm: F = 1 at every Q^2 drawn
        point = target._replace(radius=jnp.asarray(1e-3), coefficients=jnp.zeros(20).at[0].set(1.0))
        cm = invariants(jnp.asarray(energy), jnp.asarray(model.m4), target.mass)
        q2 = jnp.geomspace(cm.q2_min * (1 + 1e-9), 0.3, 600)
        for t, style, label in ((target, "-", name), (point, ":", f"{name}, point-like")):
            density = dsigma_dq2(
                jnp.asarray(energy), q2, jnp.asarray(model.m4), jnp.asarray(model.mzprime), jnp.asarray(-1.0),
                jnp.asarray(1.0), t, ends,
            )  # fmt: skip
            left.plot(q2, density * 1e-38, style, color=colour, label=label)
    left.set(xscale="log", yscale="log", ylim=(1e-45, 2e-36), xlabel=r"$Q^2$ (GeV$^2$)")
    left.set(ylabel=r"$d\sigma/dQ^2$ (cm$^2$/GeV$^2$)", title=r"coherent, conserving, $E_\nu$ = 1 GeV")
    left.legend(frameon=False, fontsize=9)

    sim = darkhorn.Simulation(card)
    energies = [float(e) for e in 0.106 + np.geomspace(2e-4, 5.0, 120)]
    rows = [r for r in sim.cross_sections(energies, ["Ar40"]) if r["process"].startswith("nu_mu ")]
    for regime, colour, scale in (("coherent", BLUE, 1), ("p-elastic", RED, 18)):
        for helicity, style in (("conserving", "-"), ("flipping", "--")):
            chosen = [r for r in rows if (r["regime"], r["helicity"]) == (regime, helicity)]
            values = np.array([r["xsec_cm2"] for r in chosen]) * scale
            right.plot(
                energies, np.where(values > 0, values, np.nan), style, color=colour, label=f"{regime}, {helicity}"
            )
    right.set(xscale="log", yscale="log", ylim=(1e-47, 1e-37), xlabel=r"$E_\nu$ (GeV)")
    right.set(ylabel=r"$\sigma$ per Ar40 nucleus (cm$^2$)", title="total (18 protons in p-elastic)")
    right.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    return fig


def _pair(events: Any) -> tuple[Array, Array, Array]:
    """Energy asymmetry |E- - E+|/(E- + E+), opening angle (degrees), weights."""
    em, ep = ([events[f"{role}_{c}"] for c in ("e", "px", "py", "pz")] for role in ("em", "ep"))
    dot = sum(a * b for a, b in zip(em[1:], ep[1:], strict=True))
    norms = np.sqrt(sum(a * a for a in em[1:])) * np.sqrt(sum(b * b for b in ep[1:]))
    return np.abs(em[0] - ep[0]) / (em[0] + ep[0]), np.degrees(np.arccos(np.clip(dot / norms, -1, 1))), events["weight"]


@figure
def polarisation() -> Any:
    """What the polarisation of the Z' does to the pair, at two mass points."""
    fig, axes = _axes(2)
    points = (("106 MeV", "30 MeV", BLUE), ("400 MeV", "30 MeV", RED))
    for m4, mzprime, colour in points:
        for on, style in ((True, "-"), (False, ":")):
            changes = {"model.m4": m4, "model.mzprime": mzprime, "physics.zprime_polarisation": on,
                       "physics.regimes": ["coherent"]}  # fmt: skip
            asymmetry, angle, weight = _pair(darkhorn.Simulation.from_card("microboone", changes).run(200_000, 1))
            mean = np.average(asymmetry, weights=weight)
            median = np.median(angle)
            label = f"{m4}, {'polarised' if on else 'isotropic'}"
            for axis, values, edges in (
                (axes[0], asymmetry, np.linspace(0, 1, 41)),
                (axes[1], angle, np.linspace(0, 60, 41)),
            ):
                heights, _ = np.histogram(values, edges, weights=weight / weight.sum())
                axis.stairs(heights / np.diff(edges), edges, color=colour, linestyle=style, label=label)
            print(f"polarisation: m4 {m4} polarised {on}: mean asymmetry {mean:.4f}, median angle {median:.3f} deg")
    axes[0].set(xlabel=r"$|E_- - E_+|/(E_- + E_+)$", ylabel="probability density", ylim=(0, None))
    axes[1].set(xlabel=r"opening angle of e$^+$e$^-$ (degrees)", ylabel="per degree", ylim=(0, None))
    axes[0].legend(frameon=False, fontsize=8)
    fig.suptitle(r"$N_4 \to \nu Z'(30\,$MeV$) \to \nu e^+e^-$ in MicroBooNE; label: mass of $N_4$", fontsize=10)
    return fig


@figure
def beam() -> Any:
    """Shipped fluxes of the Booster beam, and the line on which the parents decay."""
    fig, (left, right) = _axes(2)
    for detector, colour in (("sbnd", GREEN), ("microboone", BLUE), ("miniboone", RED)):
        fluxes = shipped_flux("bnb", "neutrino", detector).fluxes
        for pdg, style in ((14, "-"), (-14, "--"), (12, ":")):
            if detector != "microboone" and pdg != 14:
                continue
            flux = fluxes[pdg]
            width = np.diff(flux.edges)
            name = {14: r"$\nu_\mu$", -14: r"$\bar\nu_\mu$", 12: r"$\nu_e$"}[pdg]
            left.stairs(
                flux.content / width,
                flux.edges,
                color=colour,
                linestyle=style,
                label=f"{detector} {name}",
                baseline=None,
            )
    left.set(
        yscale="log",
        xlim=(0, 5),
        ylim=(1e-14, 1e-7),
        xlabel=r"$E_\nu$ (GeV)",
        ylabel=r"flux (cm$^{-2}$ POT$^{-1}$ GeV$^{-1}$)",
    )
    left.legend(frameon=False, fontsize=8)
    line = decay_line("bnb", "neutrino")
    z = np.linspace(line.start_cm, line.end_cm, 400)
    for energy, colour in ((0.3, GREEN), (0.7, BLUE), (2.0, RED), (4.0, GREY)):
        density = line.density(14, np.full_like(z, energy), z)
        right.plot(z / 100, density * 100, color=colour, label=f"{energy} GeV")
    right.set(xlabel="birth of the neutrino, z (m)", ylabel="density (1/m)", ylim=(0, None))
    right.legend(frameon=False, fontsize=9, title=r"$\nu_\mu$ of")
    return fig


@figure
def times() -> Any:
    """Times of the scattering in the spill, and the delay of a long-lived N4 behind light."""
    fig, (left, right) = _axes(2)
    events = darkhorn.Simulation.from_card("microboone").run(400_000, 1)
    edges = np.arange(1555.0, 1632.0, 0.25)
    heights, _ = np.histogram(
        events["scatter_t"] - events["scatter_z"] / SPEED_OF_LIGHT, edges, weights=events["weight"]
    )
    left.stairs(heights / 0.25, edges, color=BLUE)
    left.set(
        xlabel="time of the scattering minus z/c (ns)",
        ylabel="events per ns",
        ylim=(0, None),
        title="four buckets of the spill",
    )
    for mixing, colour in ((2e-9, BLUE), (2e-10, RED)):
        changes = {"model.gD": 2e-3, "model.umu4_sq": mixing, "physics.regimes": ["coherent"]}
        sim = darkhorn.Simulation.from_card("microboone", changes)
        ctau = next(row["ctau_cm"] for row in sim.widths() if row["particle"] == "N4" and "ctau_cm" in row)
        events = sim.run(400_000, 1)
        print(f"times: ctau {ctau:.4g} cm: rate {events.sum_w:.4g}, ess/n {events.ess / len(events):.3f}")
        flown = np.sqrt(sum((events[f"decay_{a}"] - events[f"scatter_{a}"]) ** 2 for a in "xyz"))
        delay = events["decay_t"] - events["scatter_t"] - flown / SPEED_OF_LIGHT
        edges = np.geomspace(1e-4, 30, 61)
        heights, _ = np.histogram(delay, edges, weights=events["weight"] / events.sum_w)
        right.stairs(heights / np.diff(np.log(edges)), edges, color=colour, label=rf"$c\tau$ = {ctau / 100:.2g} m")
    right.set(
        xscale="log", xlabel="delay of the decay behind light (ns)", ylabel="per unit of ln(delay)", ylim=(0, None)
    )
    right.set_title("scattering and decay in the TPC")
    right.legend(frameon=False, fontsize=9)
    return fig


@figure
def soil() -> Any:
    """Where the neutrinos scatter when a long-lived N4 has to decay in the TPC."""
    fig, (left, right) = _axes(2)
    for mixing, colour in ((2e-9, BLUE), (2e-10, RED)):
        changes = {"regions": ["soil"], "model.gD": 2e-3, "model.umu4_sq": mixing, "physics.regimes": ["coherent"],
                   "physics.helicities": ["conserving"], "source.flavours": ["nu_mu"]}  # fmt: skip
        sim = darkhorn.Simulation.from_card("microboone", changes)
        ctau = next(row["ctau_cm"] for row in sim.widths() if row["particle"] == "N4" and "ctau_cm" in row)
        events = sim.run(200_000, 1)
        print(f"soil: ctau {ctau:.4g} cm: rate {events.sum_w:.4g}, kept {len(events)}, ess {events.ess:.0f}")
        flown = np.sqrt(sum((events[f"decay_{a}"] - events[f"scatter_{a}"]) ** 2 for a in "xyz")) / 100
        edges = np.geomspace(2, 500, 51)
        heights, _ = np.histogram(flown, edges, weights=events["weight"] / events.sum_w)
        left.stairs(heights / np.diff(np.log(edges)), edges, color=colour, label=rf"$c\tau$ = {ctau / 100:.2g} m")
        edges = np.linspace(0, 1036.8, 41)
        heights, _ = np.histogram(events["decay_z"], edges, weights=events["weight"] / events.sum_w)
        right.stairs(heights / np.diff(edges) * 100, edges / 100, color=colour)
    left.set(xscale="log", xlabel="flight of $N_4$ (m)", ylabel="per unit of ln(length)", ylim=(0, None))
    right.set(xlabel="decay in the TPC, z (m)", ylabel="per m", ylim=(0, None))
    left.legend(frameon=False, fontsize=9)
    left.set_title("scattering in the soil")
    right.set_title("decay in the TPC")
    return fig


@figure
def chain_density() -> Any:
    """Lepton angle in the frame of the Z': sampler against the closed form."""
    n, m, mz = 400_000, 0.106, 0.03
    u = np.random.default_rng(1).random((4, n))
    arrays = [jnp.asarray(v) for v in (m, 0.0, mz, MASS_ELECTRON)]
    fig, axis = plt.subplots(figsize=(4.6, 3.6), layout="constrained")
    x = (mz / m) ** 2
    for polarised, colour, label in ((1.0, BLUE, "polarised"), (0.0, RED, "isotropic")):
        spin = Vector(jnp.zeros(n), jnp.zeros(n), jnp.ones(n))
        decay = sample_chain(
            ChainAngles(*map(jnp.asarray, u)),
            *arrays,
            jnp.asarray(-1.0),
            jnp.asarray(0.0),
            jnp.asarray(polarised),
            spin,
        )
        zprime = FourVector(*(a + b for a, b in zip(decay.negative, decay.positive, strict=True)))
        seen = boost_to_rest(decay.negative, zprime, jnp.asarray(mz))
        p = decay.neutrino.p
        cosine = np.asarray(seen.p.dot(p) / (seen.p.norm() * p.norm()))
        edges = np.linspace(-1, 1, 41)
        heights, _ = np.histogram(cosine, edges, density=True)
        axis.stairs(heights, edges, color=colour, label=f"{label}, {n} sampled")
    c = np.linspace(-1, 1, 201)
    axis.plot(c, 3 * ((1 + x) - (1 - x) * c * c) / (4 * (1 + 2 * x)), "k--", lw=1, label="closed form")
    axis.set(xlabel=r"$\cos\theta^*$ of e$^-$ to $\nu$ in the Z' frame", ylabel="probability density", ylim=(0, 1.0))
    axis.legend(frameon=False, fontsize=8)
    return fig


def main(names: list[str]) -> None:
    """Draw the figures named, or all."""
    darkhorn.enable_x64()
    jax.config.update("jax_platforms", "cpu")
    for name in names or FIGURES:
        path = _save(name, FIGURES[name]())
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
