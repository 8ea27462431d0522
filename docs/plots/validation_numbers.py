"""The table of docs/validation.md, made again: darkhorn against the reference numbers of tests/reference.

python docs/plots/validation_numbers.py

Prints Markdown. Takes about half a minute on one core.
"""

import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import darkhorn
from darkhorn.generator.processes.dark_neutrino_targets import scatterer
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles, sample_chain, width_off_shell
from darkhorn.kernels.matrix_elements.upscattering import Vertices, dsigma_dq2, invariants
from darkhorn.kernels.quadrature import gauss_legendre

REFERENCE = Path(__file__).resolve().parents[2] / "tests" / "reference"
DARKNEWS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "darknews_0.4.8_cpu.jsonl"
REGIME = {"coherent": "coherent", "p-el": "p-elastic"}
HELICITY = {"conserving": -1.0, "flipping": 1.0}


def load(name: str) -> dict[str, Any]:
    """A reference file."""
    content: dict[str, Any] = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    return content


def row(what: str, against: str, points: object, deviation: str) -> None:
    """One line of the table."""
    print(f"| {what} | {against} | {points} | {deviation} |")


def totals() -> None:
    """Total cross sections, by regime and helicity."""
    data = load("dark_neutrino_xsec")
    found: dict[tuple[str, str], list[float]] = {}
    for entry in data["entries"]:
        if entry["kind"] != "sigma_total":
            continue
        model = data["models"][entry["point"]]
        ends = entry["vertices"]
        f = jnp.asarray
        energy, m, mz = f(entry["E_nu_GeV"]), f(model[f"m{entry['upscattered'][1]}"]), f(model["mzprime"])
        target = scatterer(nuclide(entry["target"]), REGIME[entry["regime"]], 20)
        zero, h = f(0.0), f(HELICITY[entry["helicity"]])
        couplings = Vertices(f(ends["V_lep"]), f(ends["V_had"]), zero, zero)
        cm = invariants(energy, m, target.mass)

        def integrand(log_q2: Any, arguments: Any = (energy, m, mz, h, target, couplings)) -> Any:
            energy, m, mz, h, target, couplings = arguments
            q2 = jnp.exp(log_q2)
            return q2 * dsigma_dq2(energy, q2, m, mz, h, jnp.asarray(1.0), target, couplings)

        ours = float(gauss_legendre(integrand, jnp.log(cm.q2_min), jnp.log(cm.q2_max), 200)) * 1e-38
        found.setdefault((entry["regime"], entry["helicity"]), []).append(ours / entry["independent"] - 1)
    for (regime, helicity), values in found.items():
        row(
            f"total cross section, {regime}, {helicity}",
            "closed form, quadrature",
            len(values),
            f"{np.abs(values).max():.1e}",
        )


def off_shell() -> None:
    """Width of N -> nu e+ e- across the threshold of the Z'."""
    ratios = []
    for entry in load("width")["entries"]:
        i = entry["inputs"]
        numbers = (
            i["m_N"],
            i["m_j"],
            i["m_Zprime"],
            i["Gamma_Zprime"],
            i["m_e"],
            i["d"],
            i["g_e"],
            float(i["HNLtype"] == "majorana"),
        )
        ratios.append(float(width_off_shell(*map(jnp.asarray, numbers))) / entry["value_GeV"] - 1)
    row(
        "width of N -> nu e+ e-, on, across and off the pole",
        "30-digit integral",
        len(ratios),
        f"{np.abs(ratios).max():.1e}",
    )


def chain(n: int = 400_000) -> None:
    """Mean energy asymmetry of the sampled chain, in units of its statistical error."""
    rng = np.random.default_rng(7)
    for label, key, polarised in (
        ("polarised", "moments", 1.0),
        ("isotropic", "moments_if_Zprime_decays_isotropically", 0.0),
    ):
        pulls = []
        for entry in load("chain")["entries"]:
            i = entry["inputs"]
            f = jnp.asarray
            spin = Vector(jnp.zeros(n), jnp.zeros(n), jnp.ones(n))
            decay = sample_chain(
                ChainAngles(*map(jnp.asarray, rng.random((4, n)))), f(i["m_N"]), f(i["m_j"]), f(i["m_Zprime"]),
                f(i["m_e"]), f(float(i["helicity"] or 0)), f(float(i["HNLtype"] == "majorana")), f(polarised), spin,
            )  # fmt: skip
            gamma = i["E_N"] / i["m_N"]
            boost = np.sqrt(gamma * gamma - 1)
            em, ep = (np.asarray(gamma * k.e + boost * k.z) for k in (decay.negative, decay.positive))
            asymmetry = np.abs(em - ep) / (em + ep)
            pulls.append((asymmetry.mean() - entry[key]["mean_asym"]) / (asymmetry.std() / n**0.5))
        row(
            f"mean energy asymmetry, {label} Z'",
            "closed density, quadrature",
            len(pulls),
            f"chi2 {np.square(pulls).sum():.1f}, largest pull {np.abs(pulls).max():.1f}",
        )


def widths() -> None:
    """Width of N4 -> nu Z' at the shipped card."""
    entry = next(e for e in load("dark_neutrino_widths")["entries"] if e["id"] == "pub-0056")
    rows = darkhorn.Simulation.from_card("microboone").widths()
    ours = next(r["width_GeV"] for r in rows if r.get("channel") == "nu Zprime")
    row("width of N4 -> nu Z'", "quadrature", 1, f"{abs(ours / entry['value'] - 1):.1e}")


def rates() -> None:
    """Rate in the MicroBooNE TPC against DarkNews, brought to our exposure, argon mass and coupling."""
    lines = [json.loads(line) for line in DARKNEWS.read_text(encoding="utf-8").splitlines()]
    peer = {line["name"].split("/")[2]: line for line in lines if "/nint3/whole-run" in line["name"]}
    g_sw_over_e = 1.0386
    scale = (6.87 / 6.8) * (86.4138 / 86.1906) / g_sw_over_e
    base = {"source.flavours": ["nu_mu"]}
    for name, regimes in (("coherent-conserving", ["coherent"]), ("conserving", ["coherent", "p-elastic"])):
        changes = {**base, "physics.regimes": regimes, "physics.helicities": ["conserving"],
                   "physics.incoherent": "free", "physics.nucleon_form_factors": "dipole"}  # fmt: skip
        ours = darkhorn.Simulation.from_card("microboone", changes).rate(3e-4)
        theirs = peer[name]["sum_w"] * scale
        events, error = ours["events"], ours["error"]
        print(f"DarkNews {name}: {theirs:.2f}; darkhorn {events:.2f} +- {error:.2f}; ratio {events / theirs:.4f}")


def main() -> None:
    """Print everything."""
    darkhorn.enable_x64()
    print("| what | against | points | largest relative deviation |\n| --- | --- | --- | --- |")
    totals()
    widths()
    off_shell()
    chain()
    rates()


if __name__ == "__main__":
    main()
