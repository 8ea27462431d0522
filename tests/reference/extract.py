"""Cut the reference numbers the tests use out of the full tables of the independent calculations.

    python tests/reference/extract.py FOLDER

FOLDER holds `dark_neutrino.json`, `chain.json`, `width.json`, `incoherent.json`, `soil.json`, `meson_portal.json` and
`beams.json`. The output, ten JSON files beside this script, is a pure function of the input: numbers are copied bit for
bit (JSON numbers round-trip through `repr`), one entry per line, order of the source kept. What each file holds is said
in README.md.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
HERE = Path(__file__).resolve().parent
WHAT = "independent calculations made for darkhorn, DarkNews 0.4.8 as oracle where stated"
VERTICES = (
    "couplings of the Lagrangian as DarkNews computes them: V_ Z', C_ Z, T_ transition magnetic moment; _lep the "
    "vertex nu-N, _had the vector charge of the scatterer. DarkNews' charged vertices are those of g s_W = 0.308618 "
    "in place of sqrt(4 pi alpha), so compare through these numbers and never through epsilon."
)


def pick(entry: Entry, names: Iterable[str]) -> Entry:
    """The named fields of an entry that it has and that are not null, in the order of `names`."""
    return {name: entry[name] for name in names if entry.get(name) is not None}


def models(entries: Iterable[Entry]) -> dict[str, Any]:
    """`{point: model parameters}`; ValueError if two entries give one point different parameters."""
    found: dict[str, Any] = {}
    for entry in entries:
        if found.setdefault(entry["point"], entry["model"]) != entry["model"]:
            raise ValueError(f"{entry['id']}: point {entry['point']} with two sets of parameters")
    return found


SCATTERING = [
    "id",
    "kind",
    "point",
    "HNLtype",
    "projectile",
    "upscattered",
    "target",
    "regime",
    "helicity",
    "m_target_GeV",
    "vertices",
    "E_nu_GeV",
    "verified",
]


def cross_section(entry: Entry) -> Entry:
    """A total or differential cross section: the Z' term alone, with the value of the second calculation beside it."""
    out = pick(entry, SCATTERING)
    check = entry["cross_check"]
    if entry["kind"] == "dsigma_dQ2":
        out |= pick(entry, ("Q2_GeV2", "Q2min", "Q2max", "value", "form_factor_F1"))
        return out | {"independent": check["independent"]}
    out |= {"Q2_cut_GeV2": entry["Q2_cut_GeV2"], "value": entry["value_main_diagram"]}
    out |= {"independent": check["independent_main_diagram"]}
    with_z = {"independent_with_Z": check["independent_coherent_sum_with_Z"]}
    if entry["HNLtype"] == "dirac":  # the Majorana totals of DarkNews carry its wrong Z-Z' interference
        with_z |= {"with_Z": entry["value_total_darknews"], "with_Z_no_Q2_cut": entry["value_total_no_Q2_cut"]}
    return out | {name: value for name, value in with_z.items() if value is not None}


WIDTH_LEFT_OUT = ("kind", "model", "units", "mc_uncertainty")
RUNS = (("P1_light31", "microboone_tpc"), ("P4_light32", "sbnd"))  # P4 was run for SBND only
OFF_SHELL = (("P2_heavy31", "miniboone_fhc"), ("P3_heavy32", "microboone_tpc"))  # heavy Z', massless and heavy N_j
EVENTS = [
    "id",
    "kind",
    "point",
    "HNLtype",
    "experiment",
    "regime",
    "helicity",
    "POT",
    "n_targets",
    "flux_file",
    "flux_norm",
    "erange",
    "flavors",
    "mc",
]
HEAVY = (("P2_heavy31", "miniboone_fhc"), ("P3_heavy32", "microboone_tpc"))  # whole distributions, in the lab
# made with DarkNews' lifetime, which for the dipole is twice that of its vertex
DECAY_IN_TPC = ("decay_in_tpc_box_256x232x1040_cm",)
RATE = ["total", "channels", "decay_in_tpc_box_256x232x1040_cm", "position_moments", "verified", "warning", "note"]
SHAPES = ["n_mc", "ess", "means", "histograms", "verified", "warning", "note"]


def events(entry: Entry) -> Entry:
    """An event rate per channel, or the distributions of one regime, of a Monte Carlo run of DarkNews."""
    if entry["kind"] == "event_rate":
        return pick(entry, EVENTS + RATE)
    out = pick(entry, EVENTS + SHAPES)
    check = entry.get("cross_check")
    return out | ({"chi2_per_bin_of_independent_mc": check["chi2_per_bin"]} if check else {})


def channel_rates(entry: Entry) -> Entry:
    """The deterministic rate of every channel of an event rate."""
    names = ("target", "regime", "helicity", "rate_deterministic_pre_geometry")
    out = pick(entry, ["id", "point", "HNLtype", "experiment", "POT", "n_targets", "flux_file", "erange", "verified"])
    return out | {"channels": [pick(channel, names) for channel in entry["channels"]]}


def frame_independent(entry: Entry) -> Entry:
    """The distributions of a decay that hold for every beam."""
    shapes = {name: entry["histograms"][name] for name in ("m_ee_over_mparent", "cos_rest_daughter")}
    return pick(entry, (*EVENTS, "n_mc", "ess", "verified")) | {"histograms": shapes}


def copied(entry: Entry, drop: Iterable[str]) -> Entry:
    """All fields but the named ones."""
    return {name: value for name, value in entry.items() if name not in drop}


def constant(entries: list[Entry], read: Callable[[Entry], Any]) -> Any:
    """The value that `read` gives for every entry; ValueError if it differs."""
    first = read(entries[0])
    if any(read(entry) != first for entry in entries):
        raise ValueError("a field moved to the provenance is not the same in every entry")
    return first


def write(name: str, provenance: Entry, entries: list[Entry], **tables: Any) -> None:
    """`HERE/name.json` with one line per entry."""
    line = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    head = {"provenance": {"what": WHAT} | provenance, **tables}
    rows = ",\n".join(line(entry) for entry in entries)
    text = ",\n".join(f'"{key}":{line(value)}' for key, value in head.items())
    text = f'{{\n{text},\n"entries":[\n{rows}\n]\n}}\n'
    json.loads(text)
    (HERE / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}.json: {len(entries)} entries, {len(text.encode())} bytes")


def load(folder: Path, name: str) -> tuple[Entry, list[Entry], Entry]:
    """(meta, entries, identity of the file) of one source table."""
    raw = (folder / f"{name}.json").read_bytes()
    data = json.loads(raw)
    entries = data["entries"] if "entries" in data else data["points"]
    return data["meta"], entries, {"source": f"{name}.json", "source_sha256": hashlib.sha256(raw).hexdigest()}


def dark_neutrino(folder: Path) -> None:
    """Cross sections, widths and event distributions of the dark-neutrino points."""
    meta, entries, source = load(folder, "dark_neutrino")
    base = source | {"versions": meta["oracle"], "units": meta["units"], "constants": meta["constants"]}
    sigma = [
        entry
        for entry in entries
        if entry["kind"] in ("sigma_total", "dsigma_dQ2")
        and entry["main_diagram"] == "KinMix_SQR"
        and entry["HNLtype"] in ("dirac", "majorana")
        and entry["regime"] in ("coherent", "p-el")
    ]
    how = {
        "computed": "value: deterministic quadrature (1e-8; suppressed flipping 1e-4) of DarkNews' own integrand, Z' "
        "exchange alone (its term KinMix_SQR), per scatterer (nucleus, or one proton), neutrino left-handed, one "
        "helicity of N; dsigma_dQ2: its amplitude, cm^2/GeV^2. independent: own tensor contraction and form factors, "
        "Gauss-Legendre in ln Q2. with_Z: all diagrams.",
        "vertices": VERTICES,
        "left_out": "DarkNews' Majorana totals with Z exchange: it does not project the Z terms on helicities",
    }
    write("dark_neutrino_xsec", base | how, [cross_section(e) for e in sigma], models=models(sigma))

    widths = [entry for entry in entries if entry["kind"] == "width"]
    how = {
        "computed": "value: width from the differential rate of DarkNews by deterministic quadrature, GeV; "
        "cross_check: closed form or one-dimensional convolution with the vertices of the entry",
        "vertices": VERTICES,
    }
    write("dark_neutrino_widths", base | how, [copied(e, WIDTH_LEFT_OUT) for e in widths], models=models(widths))

    rates = [
        entry
        for entry in entries
        if entry["kind"] in ("event_rate", "distributions") and (entry["point"], entry["experiment"]) in RUNS
    ]
    how = {
        "computed": "Monte Carlo runs of DarkNews, all diagrams; rate_deterministic_pre_geometry: quadrature of flux x "
        "cross section without Monte Carlo error, events for the POT of the entry; rate_mc_event: with the 1/r^2 "
        "factor of its geometry. Histograms: fraction of w_event_rate per bin with statistical error, one regime, one "
        "helicity, summed over nuclei; `verified` is false where no second simulation was made.",
        "angles": constant([e for e in rates if e["kind"] == "distributions"], lambda e: e["angles"]),
        "caveat": constant([e for e in rates if e["kind"] == "event_rate"], lambda e: e["caveat"]),
        "errors": "sqrt(sum w^2): conservative, the true error of a sum is smaller",
    }
    write("dark_neutrino_events", base | how, [events(e) for e in rates], models=models(rates))

    every = [entry for entry in entries if entry["kind"] == "event_rate"]
    how = {
        "computed": "quadrature of flux x cross section, all diagrams, without Monte Carlo error, before any factor of "
        "geometry: events for the POT and the targets of the entry, neutrino energies above max(erange[0], 1.05 "
        "threshold); branching ratios of 1",
    }
    write("dark_neutrino_rates", base | how, [channel_rates(e) for e in every], models=models(every))

    heavy = [e for e in entries if e["kind"] == "distributions" and (e["point"], e["experiment"]) in HEAVY]
    heavy = [entry for entry in heavy if entry["verified"]]
    how = {
        "computed": "as dark_neutrino_events, coherent scattering, decay through an off-shell Z'",
        "angles": constant(heavy, lambda e: e["angles"]),
        "errors": "sqrt(sum w^2): conservative, the true error of a sum is smaller",
    }
    write("dark_neutrino_heavy", base | how, [events(e) for e in heavy], models=models(heavy))

    shapes = [e for e in entries if e["kind"] == "distributions" and (e["point"], e["experiment"]) in OFF_SHELL]
    shapes = [entry for entry in shapes if entry["regime"] == "coherent"]
    how = {
        "computed": "Monte Carlo runs of DarkNews with the decay N -> N_j e+ e- through an off-shell Z': fraction of "
        "w_event_rate per bin with statistical error, coherent scattering, helicity conserved. Only what does not "
        "depend on the frame, and so on the beam: the mass of the pair and the angle in the rest frame of N.",
        "angles": constant(shapes, lambda e: e["angles"]),
        "errors": "sqrt(sum w^2): conservative, the true error of a sum is smaller",
    }
    write("dark_neutrino_offshell", base | how, [frame_independent(e) for e in shapes], models=models(shapes))

    dipole = [
        entry
        for entry in entries
        if entry["kind"] in ("sigma_total", "dsigma_dQ2") and entry["main_diagram"] == "TMM_SQR" and entry["verified"]
    ]
    rate = [e for e in entries if e["kind"] == "event_rate" and e["point"] == dipole[0]["point"]]
    how = {
        "computed": "as dark_neutrino_xsec, for photon exchange with a transition magnetic moment mu (DarkNews' term "
        "TMM_SQR), L = (mu/2) Nbar sigma F P_L nu + h.c., mu = mu_tr_mu4 of the model in GeV^-1; T_lep of the vertices "
        "is mu/2. event_rate: as dark_neutrino_events; branching ratios of 1 and no demand on the place of the decay",
        "vertices": VERTICES,
        "left_out": "distributions of the decay: DarkNews' photon has the wrong side",
    }
    rows = [*map(cross_section, dipole), *(copied(events(e), ("position_moments", *DECAY_IN_TPC)) for e in rate)]
    write("dark_neutrino_dipole", base | how, rows, models=models(dipole))


def oracles(folder: Path) -> None:
    """The polarised decay chain and the width across the Z' threshold, whole."""
    meta, entries, source = load(folder, "chain")
    how = {
        "task": "polarised N -> nu Z'(on shell) -> nu e+ e-, one helicity; spin-correlated, and isotropic Z' decay",
        "computed": constant(entries, lambda e: e["method"]),
        "error": constant(entries, lambda e: e["error"]),
        "cross_check": constant(entries, lambda e: e["cross_check"]["how"]),
        "units": meta["units"],
        "notes": meta["notes"],
    }
    kept = []
    for entry in entries:
        check = copied(entry["cross_check"], ("how",))
        kept.append(copied(entry, ("kind", "method", "error", "cross_check")) | {"cross_check": check})
    write("chain", source | how, kept)

    meta, entries, source = load(folder, "width")
    how = {
        "task": meta["task"],
        "computed": constant(entries, lambda e: e["method"]),
        "propagator": constant(entries, lambda e: e["inputs"]["propagator"]),
        "error_rel": constant(entries, lambda e: e["error_rel"]),
        "error_policy": meta["error_policy"],
        "constants": {"alpha": meta["alpha"], "e": meta["e"]},
        "units": "GeV, cm; m_j mass of the daughter neutrino, d its Z' vertex, g_e vector coupling of the electron",
    }
    kept = []
    for entry in entries:
        inputs = copied(entry["inputs"], ("propagator",))
        kept.append(copied(entry, ("kind", "method", "error_rel", "inputs")) | {"inputs": inputs})
    write("width", source | how, kept)


def incoherent(folder: Path) -> None:
    """Scattering on nucleons bound in a relativistic Fermi gas, whole but for the Monte Carlo of single bins."""
    meta, entries, source = load(folder, "incoherent")
    how = {
        "task": "nu + bound nucleon -> N + nucleon, Z' exchange, relativistic Fermi gas after Smith and Moniz",
        "computed": constant(entries, lambda e: e["method"]),
        "cross_check": constant(entries, lambda e: e["cross_check"]["how"]),
        "form_factors": constant(entries, lambda e: e["inputs"]["form_factors"]),
        "free_against_another_calculation": meta["free_vs_reference_max_rel"],
        "trace_over_contraction": meta["trace_over_contraction"],
        "units": meta["units"] + "; GeV. d: vertex nu-N at the Z', g_e: coupling of the Z' to unit charge",
    }
    kept = []
    for entry in entries:
        inputs = copied(entry["inputs"], ("form_factors", "coupling_product"))
        check = {"second_mc": entry["cross_check"]["second_mc"]}
        table = copied(entry["dsigma_dQ2"], ("bin_average_check_pm0p1_lnQ2",))
        out = copied(entry, ("kind", "method", "cross_check", "inputs", "dsigma_dQ2"))
        kept.append({"id": out.pop("id"), "inputs": inputs, **out, "dsigma_dQ2": table, "cross_check": check})
    write("incoherent", source | how, kept)


def soil(folder: Path) -> None:
    """N5 made in the soil that decay in the TPC, whole but for the timing of the samplers that were tried."""
    meta, entries, source = load(folder, "soil")
    how = {
        "task": meta["task"],
        "definitions": meta["definitions"],
        "units": meta["units"],
        "error_policy": meta["error_policy"],
        "kinds": {
            "soil_llp_in_tpc": "neutrinos parallel to z",
            "soil_llp_in_tpc_point_source": "neutrinos from the point (0, 0, -47000 cm)",
        },
    }
    kept = []
    for entry in entries:
        shapes = {
            name: {**table, "edges": [round(edge, 12) for edge in table["edges"]]}
            for name, table in entry["histograms"].items()
        }
        names = ("id", "kind", "inputs", "value_events_per_POT", "error", "means", "cross_check")
        kept.append(pick(entry, names) | {"histograms": shapes})
    write("soil", source | how, kept)


def beams(folder: Path) -> None:
    """Meson production (closed forms and their integrals), and fields and single tracks of horns."""
    meta, entries, source = load(folder, "meson_portal")
    used = [e for e in entries if e["id"].startswith(("SW_", "FS_", "INT_"))]
    how = {
        "computed": "Sanford-Wang and Feynman scaling, closed form; INT: Gauss-Legendre 200 x 200, whose own error is "
        "`rel_err`. Coefficients as rounded in alplib and BdNMC; species k_plus: x_F = 2 p_L*/sqrt(s), k_plus_xFmax: "
        "x_F = p_L*/p*_max against proton + Lambda",
        "constants": {"M_P": meta["constants"]["M_P"], "M_K": meta["constants"]["M_K"], "M_LAMBDA": 1115.683},
        "units": "GeV, rad, mb; constants in MeV",
    }
    kept = [pick(e, ("id", "params", "value", "rel_err")) for e in used]
    other, entries, twin = load(folder, "beams")
    bmpt = [e for e in entries if e["quantity"] == "E d3sigma/dp3"]
    how["bmpt"] = other["bmpt"]
    how["bmpt_source_sha256"] = twin["source_sha256"]
    kept += [pick(e, ("id", "species", "p_beam", "p_GeV", "theta_rad", "A", "xR", "xF", "pT", "value")) for e in bmpt]
    write("meson_production", source | how, kept)

    horn = {"units": other["units"], "numi_horns": other["numi_horns"], "bnb_horn": other["bnb_horn"]}
    how = {"computed": "fields in closed form; tracks by an adaptive integrator, restarted at every surface"}
    drop = ("unit", "rk4_step_10_5_2p5_1p25_mm_error_mm", "rel_tol", "abs_tol_mm", "abs_tol_GeV")
    write("horns", twin | how | horn, [copied(e, drop) for e in entries if e not in bmpt])


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    dark_neutrino(Path(argv[1]))
    oracles(Path(argv[1]))
    incoherent(Path(argv[1]))
    soil(Path(argv[1]))
    beams(Path(argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
