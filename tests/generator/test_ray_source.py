"""Rays as the source of a card: every neutrino is that of its ray at the place of the scattering."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ray_files import decays, published_weight

from darkhorn.fluxes.rays import RayTable, ray_table
from darkhorn.generator.chain import Chain
from darkhorn.generator.experiment import detector_of, experiment
from darkhorn.generator.files.ray_file import read_rays, write_rays
from darkhorn.generator.header import Header
from darkhorn.generator.processes.dark_neutrino_line_shape import LINE_SHAPE
from darkhorn.generator.ray_source import RAY_FLUX, RAY_SIGHT, _thinned, for_source, parents_of_card
from darkhorn.generator.runcard import load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.stages import DECAY_PLACE, FLUX, LINE_OF_SIGHT, SIGHT_OF_DECAY, TARGETS, TIME
from darkhorn.geometry import numi
from darkhorn.geometry.detectors import to_beam
from darkhorn.kernels.errors import InputError

CARD: dict[str, Any] = {
    "schema": 1,
    "detector": "sbnd",
    "regions": ["tpc"],
    "decay_in": "tpc",
    "exposure": "1e21 POT",
    "model": {
        "name": "dark-neutrino", "hnl": "dirac", "m4": "106 MeV", "mzprime": "30 MeV", "umu4_sq": 2e-10,
        "ue4_sq": 1e-10, "epsilon": 8e-4, "gD": 2.0,
    },
    "physics": {"regimes": ["coherent"], "helicities": ["conserving"]},
}  # fmt: skip
FRAME = {
    "name": "turned", "base": "sbnd",
    "frame": {"origin": ["100 cm", "-30 cm", "110 m"], "rotation": [[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]},
}  # fmt: skip


def table(d: dict[str, Any]) -> RayTable:
    """Rays of the entries of a dk2nu file, with the axes of its reader."""
    from darkhorn.fluxes.dk2nu import _spin

    axis = dict(zip(("spin_x", "spin_y", "spin_z"), _spin(d), strict=True))
    columns = {"nu_pdg": d["ntype"], "parent_pdg": d["ptype"], "weight": d["nimpwt"] * 1e-3, "energy_star": d["necm"]}
    columns |= {a: d[f"v{a}"] for a in "xyz"} | {f"p{a}": d[f"pdp{a}"] for a in "xyz"} | axis
    return ray_table(columns, where="test", source="test")


@pytest.mark.parametrize("detector", ["sbnd", FRAME])
def test_flux_and_energy_at_the_scattering_are_those_of_the_ray(
    tmp_path: Path, rng: np.random.Generator, detector: Any
) -> None:
    """Probability of a ray times both factors is its flux at that point, for any point and any detector frame."""
    d = decays(rng)
    write_rays(table(d), tmp_path / "rays.h5")
    card = load_card({**CARD, "source": {"kind": "rays", "file": str(tmp_path / "rays.h5")}, "detector": detector})
    exp = experiment(card)
    assert set(exp.rays) == set(d["ntype"].tolist())
    for pdg in (14, 12):
        p = {**exp.flux_params(pdg, 0.02), "pot": np.asarray(3.0)}
        params = jax.tree.map(jnp.asarray, {"flux": p, "beam": exp.beam[pdg]})
        u = np.linspace(1e-6, 1 - 1e-6, 400)
        columns, first = RAY_FLUX.run(params, {}, [jnp.asarray(u)])
        point = rng.uniform(-200, 200, (3, 400)) + np.array([[0], [0], [250]])
        state = {**columns, **{f"scatter_{a}": jnp.asarray(point[i]) for i, a in enumerate("xyz")}}
        seen, second = RAY_SIGHT.run(params, state, [])
        assert first is not None
        assert second is not None
        inverse = np.array(exp.detector.rotation)
        beam = inverse @ point + np.array(exp.detector.origin_cm)[:, None]
        ray = np.asarray(columns["ray"])
        chance = np.diff(np.concatenate([[0.0], p["cumulative"]]))
        weight = np.asarray(first) * np.asarray(second) * chance[ray]
        # which entry of the file a ray is: by its energy in the rest frame
        entry = [int(np.flatnonzero(d["necm"] == p["energy_star"][r])[0]) for r in ray]
        for k in range(0, 400, 7):
            i = entry[k]
            energy, disc = published_weight(d, i, tuple(beam[:, k]))
            far = np.sqrt(sum((beam[j, k] - d[f"v{a}"][i]) ** 2 for j, a in enumerate("xyz")))
            flux = disc / (2 * np.pi * (1 - np.cos(np.arctan(100 / far)))) / far**2 * d["nimpwt"][i] * 1e-3 * 3.0
            if energy >= 0.02:
                assert float(seen["energy"][k]) == pytest.approx(energy, rel=1e-9)
                assert weight[k] == pytest.approx(flux, rel=1e-6)  # the disc of the reference: 1 - cos is rounded
            else:
                assert (float(seen["energy"][k]), weight[k]) == (0.02, 0.0)
        assert (chance[: np.sum(d["ntype"] == pdg)] > 0).all()  # every ray can come, however small its flux


def test_times_of_events_are_those_of_the_rays(tmp_path: Path, rng: np.random.Generator) -> None:
    """Scattering: time of the ray + flight of the neutrino + time of the proton, of which there is one here. Rays
    without a time are as fast as light from z = 0 of the beam.
    """
    made = table(decays(rng))
    time = rng.uniform(0, 500, len(made))
    time[::3] = np.nan
    write_rays(replace(made, columns={**made.columns, "time": time}), tmp_path / "rays.h5")
    source = {"kind": "rays", "file": str(tmp_path / "rays.h5")}
    card = load_card({**CARD, "source": source, "detector": FRAME})
    exp = experiment(card)
    params = {"flux": exp.flux_params(14, 0.02), "beam": exp.beam[14], "spill": exp.spill, "parent_gamma_per_gev": 30.0}
    params = jax.tree.map(jnp.asarray, params)
    state, _ = RAY_FLUX.run(params, {}, [jnp.asarray(np.linspace(1e-6, 1 - 1e-6, 300))])
    state |= {f"scatter_{a}": jnp.asarray(rng.uniform(-100, 100, 300)) for a in "xyz"}
    state |= RAY_SIGHT.run(params, state, [])[0]
    state |= {"flight": jnp.full(300, 90.0), "n4_e": jnp.full(300, 0.5), "n4_pz": jnp.full(300, 0.3)}
    state |= {"n4_px": jnp.zeros(300), "n4_py": jnp.zeros(300)}
    found = TIME.run(params, state, [jnp.full(300, 0.5)])[0]
    star = np.asarray(params["flux"]["energy_star"])[np.asarray(state["ray"])]
    entry = [int(np.flatnonzero(made["energy_star"] == e)[0]) for e in star]
    light = np.sqrt(sum(made[a] ** 2 for a in "xyz")) / 29.9792458
    born = np.where(np.isnan(time), light, time)[entry]
    assert 0 < np.mean(np.isnan(time)[entry]) < 1
    scatter = np.asarray(found["scatter_t"])
    np.testing.assert_allclose(scatter, born + np.asarray(state["baseline"]) / 29.9792458, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(found["decay_t"]) - scatter, 90 / 29.9792458 * 0.5 / 0.3, rtol=1e-10)


def test_histogram_is_the_flux_in_the_volume(tmp_path: Path, rng: np.random.Generator) -> None:
    """Each ray 400 times with 1/400 of its weight: the mean over the volume, to the spread of the two samples."""
    d = decays(rng, 70)
    d["ndecay"] = np.zeros_like(d["ndecay"])  # isotropic
    many = {name: np.repeat(values, 400) for name, values in d.items()}
    many["nimpwt"] = many["nimpwt"] / 400
    write_rays(table(many), tmp_path / "rays.h5")
    exp = experiment(load_card({**CARD, "source": {"kind": "rays", "file": str(tmp_path / "rays.h5")}}))
    point = rng.uniform(-200, 200, (3, 400)) + np.array([[73.78], [0], [11250.0]])
    made = table(d)
    place, p = (np.array([made[f"{head}{a}"] for a in "xyz"])[:, :, None] for head in ("", "p"))
    way = point[:, None, :] - place
    far = np.sqrt(np.sum(way**2, axis=0))
    energy = np.sqrt(np.sum(p**2, axis=0) + made.mass[:, None] ** 2)
    doppler = (energy - np.sum(p * way, axis=0) / far) / made.mass[:, None]
    flux = made["weight"][:, None] / (4 * np.pi * doppler**2 * far**2)
    for pdg, found in exp.fluxes.fluxes.items():
        mine = flux[made["nu_pdg"] == pdg]
        error = np.sqrt(2 * np.sum(mine.var(axis=1) / 400))
        assert abs(found.integral() - mine.mean(axis=1).sum()) < 5 * error  # false alarm 6e-7 each
        assert error < 0.15 * mine.mean(axis=1).sum()


def test_thinning_keeps_the_sum_and_the_spectrum(rng: np.random.Generator) -> None:
    flux = rng.exponential(size=5000) ** 3
    chosen, factor = _thinned(flux, 512, 1)
    kept = flux[chosen] * factor
    np.testing.assert_allclose(kept, flux.sum() / 512, rtol=1e-12)
    assert (np.diff(chosen) >= 0).all()
    part = np.cumsum(flux)[:2000][-1] / flux.sum()
    assert np.mean(chosen < 2000) == pytest.approx(part, abs=1 / 512)


def test_chains() -> None:
    """A table keeps its stages; rays take the place of two of them, forwards and backwards."""
    forward, backward = Chain((FLUX, TARGETS, LINE_OF_SIGHT)), Chain((FLUX, DECAY_PLACE, SIGHT_OF_DECAY))
    assert for_source(forward, {"flux": {}}) is forward
    made = for_source(forward, {"flux": {"gain": 1}})
    assert made.stages == (RAY_FLUX, TARGETS, RAY_SIGHT)
    assert for_source(forward, {"flux": {"gain": 1}}) is made
    assert for_source(backward, {"flux": {"gain": 1}}).stages == (RAY_FLUX, DECAY_PLACE, RAY_SIGHT)
    broad = for_source(Chain((FLUX, LINE_SHAPE, TARGETS, LINE_OF_SIGHT)), {"flux": {"gain": 1}})
    assert broad.stages == (RAY_FLUX, TARGETS, RAY_SIGHT, LINE_SHAPE)  # the mass needs the energy


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"kind": "rays", "file": "nothing.h5"}, "no such file"),
        ({"kind": "rays", "file": []}, "list of paths"),
        ({"kind": "rays", "file": 3}, "list of paths"),
        ({"kind": "rays"}, "a ray file"),
        ({"kind": "rays", "file": "rays.h5", "mode": "neutrino"}, "unknown key"),
        ({"kind": "rays", "file": "rays.h5", "flavours": ["nu_mu_bar"]}, "nu_mu"),
        ({"kind": "beamline", "beam": "bmb", "mode": "neutrino"}, "bnb"),
        ({"kind": "beamline", "beam": "bnb"}, "mode"),
        ({"kind": "beamline", "beam": "bnb", "mode": "off"}, "antineutrino"),
        ({"kind": "beamline", "beam": "bnb", "mode": "neutrino", "particles": 0}, "from 1"),
        ({"kind": "beamline", "beam": "bnb", "mode": "neutrino", "mesons": ["pi+"]}, "pi0"),
        ({"kind": "beamline", "beam": "bnb", "mode": "neutrino", "mesons": "pi0"}, "brackets"),
        ({"kind": "beamline", "beam": "bnb", "mode": "neutrino", "mesons": ["eta"], "eta_per_pi0": 0}, "> 0"),
        ({"kind": "beamline", "beam": "bnb", "mode": "neutrino", "pi0_per_pot": 0.9}, "only with `mesons`"),
        ({"kind": "raise", "file": "rays.h5"}, "rays"),
    ],
)
def test_wrong_sources(tmp_path: Path, rng: np.random.Generator, source: dict[str, Any], says: str) -> None:
    d = decays(rng)
    keep = np.flatnonzero(d["ntype"] == 14)
    write_rays(table({name: values[keep] for name, values in d.items()}), tmp_path / "rays.h5")
    if source.get("file") == "rays.h5":
        source = {**source, "file": str(tmp_path / "rays.h5")}
    with pytest.raises(InputError, match=says):
        experiment(load_card({**CARD, "source": source}))


def test_another_beam_needs_its_frame(tmp_path: Path, rng: np.random.Generator) -> None:
    made = table(decays(rng))
    write_rays(replace(made, header={"beam": "numi-me"}), tmp_path / "rays.h5")
    card = {**CARD, "source": {"kind": "rays", "file": str(tmp_path / "rays.h5")}}
    with pytest.raises(InputError, match="frame of numi-me"):
        experiment(load_card(card))
    assert experiment(load_card({**card, "detector": FRAME})).rays
    far = {**made.columns, "z": np.where(np.arange(len(made)) == 3, 7e4, made["z"])}  # as dk2nu of NuMI
    write_rays(replace(made, columns=far), tmp_path / "far.h5")
    card = {**CARD, "source": {"kind": "rays", "file": str(tmp_path / "far.h5")}}
    with pytest.raises(InputError, match="decays up to z = 700 m"):
        experiment(load_card(card))
    assert experiment(load_card({**card, "detector": FRAME})).rays
    inline = {"kind": "beamline", "beam": "numi-me", "mode": "neutrino", "particles": 10**9}
    with pytest.raises(InputError, match="frame of numi-me"):  # before it is simulated, which would take a day
        parents_of_card(load_card({**CARD, "source": inline}))


@pytest.mark.parametrize("name", ["microboone", "icarus"])
def test_detectors_stand_in_the_frame_of_numi(name: str) -> None:
    card = load_card(name, {"source": {"kind": "beamline", "beam": "numi-me", "mode": "neutrino"}})
    point = (120.0, -30.0, 500.0)
    assert to_beam(detector_of(card), *point) == pytest.approx(numi.to_beam(numi.PLACES[name], point), abs=1e-9)
    assert detector_of(load_card(name)).origin_cm != detector_of(card).origin_cm


def test_the_header_names_the_ray_files(tmp_path: Path, rng: np.random.Generator) -> None:
    """Hash, format, protons and number of rays, of every file; files made of others keep their names. The hash of a run
    changes with them.
    """
    made = table(decays(rng))
    paths = [tmp_path / name for name in ("a.h5", "b.h5")]
    for path, pot in zip(paths, (2e5, 3e5), strict=True):
        write_rays(replace(made, pot=pot), path)
    card = load_card({**CARD, "source": {"kind": "rays", "file": [str(path) for path in paths]}})
    record = experiment(card).ray_record
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    expected = {"format": "darkhorn-rays", "n_rays": len(made)}
    assert record["files"] == [
        {"name": path.name, "sha256": digest, **expected, "pot": pot}
        for path, digest, pot in zip(paths, digests, (2e5, 3e5), strict=True)
    ]
    assert (record["pot"], record["n_rays"]) == (5e5, 2 * len(made))
    flux = experiment(card).rays[14].flux
    assert record["flux_error"]["14"] == pytest.approx(np.sqrt(np.sum(flux**2)) / np.sum(flux))
    write_rays(read_rays(*paths), tmp_path / "both.h5")
    again = read_rays(tmp_path / "both.h5").header
    assert ([f["sha256"] for f in again["made_of"]], len(again["files"])) == (digests, 1)
    header = Header(extra={"rays": record})
    assert header.run_hash() != Header().run_hash()
    other = {**record, "files": [{**record["files"][0], "sha256": "0"}]}
    assert header.run_hash() != header.replace(extra={"rays": other}).run_hash()


@pytest.mark.study
def test_the_error_of_a_rate_is_the_spread_of_ray_samples(tmp_path: Path, rng: np.random.Generator) -> None:
    """Rates of 16 samples of 60 pions each: their spread against the mean of their errors, 15 degrees of freedom; the
    rays make nearly all of it. A ratio of 2 in the error would be seen.
    """
    rates, errors = [], []
    for _ in range(16):
        n = 60
        zero = np.zeros(n)
        columns = {"x": zero, "y": zero, "z": rng.uniform(0, 4000, n), "px": rng.normal(0, 0.03, n)}
        columns |= {"py": rng.normal(0, 0.03, n), "pz": rng.uniform(1, 4, n), "weight": rng.exponential(size=n) / n}
        columns |= {"nu_pdg": zero + 14, "parent_pdg": zero + 211, "energy_star": zero + 0.029792}
        path = tmp_path / "rays.h5"
        write_rays(ray_table(columns, where="test", source="test"), path, overwrite=True)
        simulation = Simulation.from_card(load_card({**CARD, "source": {"kind": "rays", "file": str(path)}}))
        found = simulation.rate(precision=1e-2)
        assert found["error"] == pytest.approx(np.hypot(found["error_integration"], found["error_rays"]))
        assert found["channels"][0]["error"] > 0.05 * found["channels"][0]["events"]
        rates.append(found["events"])
        errors.append(found["error"])
    assert simulation.run(100).header.extra["rays"]["n_rays"] == 60
    assert found["error_integration"] < 0.2 * found["error_rays"]
    ratio = np.std(rates, ddof=1) / np.sqrt(np.mean(np.square(errors)))
    assert 0.4 < ratio < 1.8  # chi^2 of 15: 1e-4 in all, were rates normal


@pytest.mark.slow
def test_the_rate_is_the_sum_over_rays_and_places(tmp_path: Path, rng: np.random.Generator) -> None:
    """Expected events = protons x nuclei x mean over the volume of sum_rays flux(x) sigma(E(x)); N decays at once.

    Both sides have an error of 0.4 %: a test of 5 sigma, false alarm 6e-7.
    """
    d = decays(rng, 200)
    made = table(d)
    write_rays(made, tmp_path / "rays.h5")
    card = load_card({**CARD, "source": {"kind": "rays", "file": str(tmp_path / "rays.h5")}})
    simulation = Simulation.from_card(card)
    rate = simulation.rate(precision=4e-3)
    exp = experiment(card)
    points = rng.uniform(-200, 200, (3, 4000)) + np.array([[0], [0], [250.0]])
    total, squares = 0.0, 0.0
    for channel in simulation.build.channels:
        grid = np.geomspace(float(channel.params["flux"]["low"]), 10, 3000)
        sigma = simulation.build.cross_section(channel, grid)
        nuclei = exp.scatterers("tpc")["Ar40"] * 400 * 400 * 500
        found = np.zeros(4000)
        for i in np.flatnonzero(d["ntype"] == channel.projectile_pdg):
            place = np.array([d[f"v{a}"][i] for a in "xyz"])[:, None]
            way = points + np.array(exp.detector.origin_cm)[:, None] - place
            far = np.linalg.norm(way, axis=0)
            p = np.array([d[f"pdp{a}"][i] for a in "xyz"])
            mass = made.mass[i]
            doppler = (np.sqrt(p @ p + mass**2) - p @ (way / far)) / mass
            flux = made["weight"][i] / (4 * np.pi * doppler**2 * far**2)
            if abs(d["ptype"][i]) == 13:
                flux = flux * np.array([_factor(d, int(i), tuple(w + place[:, 0])) for w in way.T])
            energy = d["necm"][i] / doppler
            found += flux * np.interp(energy, grid, sigma, left=0.0)
        total += found.mean() * nuclei * card.exposure
        squares += found.var() / 4000 * (nuclei * card.exposure) ** 2
    error = np.hypot(rate["error_integration"], np.sqrt(squares))  # the rays are the same on both sides
    assert abs(rate["events"] - total) < 5 * error
    assert error < 0.02 * total


def _factor(d: dict[str, Any], i: int, point: tuple[float, float, float]) -> float:
    """The factor of the spin alone: the published weight over that of an isotropic decay."""
    isotropic = {**d, "ndecay": np.zeros_like(d["ndecay"])}
    return published_weight(d, i, point)[1] / published_weight(isotropic, i, point)[1]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["backwards", "line shape"])
def test_parents_at_rest_in_one_place_are_a_table_of_a_point_source(tmp_path: Path, what: str) -> None:
    """The two kinds of source through different stages give one rate: 5 sigma of 0.7 %, false alarm 6e-7."""
    edges = np.linspace(0, 3, 61)
    content = 1e-10 * edges[1:] * np.exp(-edges[1:] / 0.5)
    energy = (edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(50) + 0.5) / 50).ravel()
    baseline = 11000.0
    weight = np.repeat(content, 50) / 50 * 4 * np.pi * baseline**2
    zero = np.zeros(len(energy))
    columns = {name: zero for name in ("x", "y", "z", "px", "py", "pz")} | {"energy_star": energy, "weight": weight}
    columns |= {"nu_pdg": zero + 14, "parent_pdg": zero + 211}
    write_rays(ray_table(columns, where="test", source="test"), tmp_path / "rays.h5")
    lines = [f"{a} {b} {c}" for a, b, c in zip(edges, edges[1:], content, strict=False)]
    (tmp_path / "flux.txt").write_text("\n".join(["E_lo_GeV E_hi_GeV numu", *lines]))
    near = {"shape": "box", "centre": ["0 m", "0 m", "-3 m"], "size": ["6 m", "6 m", "5 m"], "material": "soil"}
    card = {**CARD, "detector": {"base": "sbnd", "volumes": {"near": near}}}
    model = {**CARD["model"], "ue4_sq": 0.0}
    if what == "backwards":
        card |= {"regions": ["near"], "model": {**model, "umu4_sq": 2e-15}}
    else:
        broad = {"m4": "100 MeV", "m5": "200 MeV", "umu4_sq": 0.0, "umu5_sq": 1e-10}
        card |= {"model": {**model, **broad}, "physics": {**CARD["physics"], "line_shape": True}}
    point = {"start": "0 m", "end": "0 m"}
    text = {"kind": "histogram", "file": str(tmp_path / "flux.txt"), "content": "per-bin", "unit": "cm^-2 POT^-1"}
    found = []
    for source in ({"kind": "rays", "file": str(tmp_path / "rays.h5")}, {**text, "decay_line": point, "spill": None}):
        found.append(Simulation.from_card(load_card({**card, "source": source})).rate(precision=5e-3))
    rays, table = found
    assert rays["events"] > 0
    assert abs(rays["events"] - table["events"]) < 5 * np.hypot(rays["error"], table["error"])
