"""What a table of rays does at a place: its neutrinos, and their flux in a detector. And the table of a simulation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.neutrino_spectra import emissions
from darkhorn.fluxes.rays import COLUMNS, PARENT_MASSES, RayTable, ray_table
from darkhorn.fluxes.readers import read_ratio_table
from darkhorn.generator.beams.beam_flux import EDGES, BeamFlux
from darkhorn.generator.beams.neutral_mesons import NO_NEUTRALS, NeutralMesons
from darkhorn.generator.beams.rays import Rays
from darkhorn.generator.beams.simulate import STOPPED_KAONS, BeamSimulation, beam_of, rounds_of
from darkhorn.generator.beams.sources import hadrons_of
from darkhorn.generator.beams.windows import Window, point_in
from darkhorn.geometry.detectors import Detector, to_beam
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.kinematics import Vector, four
from darkhorn.kernels.location import RaySeen, neutrino_at, spin_axis

Array = NDArray[np.float64]
NO_NEUTRINOS = (111, 221)
_CHUNK = 1 << 15  # rays in one call: one compiled program for tables of any length


# ------------------------------------------------------------------------------------------------------------
# simulation -> table
def simulated_rays(
    beam: str,
    mode: str,
    tracks: int,
    seed: int = 1,
    secondaries: bool = True,
    progress: Callable[[int, int], None] | None = None,
    ideal_horns: bool = False,
    stopped: float = STOPPED_KAONS,
    mesons: NeutralMesons = NO_NEUTRALS,
) -> RayTable:
    """Rays of a simulated beam (as in `simulate_flux`) from at least `tracks` primary particles (whole rounds):
    parents, whose decay is not chosen yet (nu_pdg 0), weights without branching ratios. Those of weight 0 are left out.

    mesons: pi0 and eta to make, too.
    """
    place = beam_of(beam, ideal_horns)
    rounds, batch, per_round = rounds_of(place, tracks)
    simulation = BeamSimulation(place, mode, secondaries, batch, stopped, mesons)
    parts: list[dict[str, NDArray[Any]]] = []
    for number in range(rounds):
        if progress:
            progress(number * per_round, rounds * per_round)
        for made in simulation.batches(seed, number):
            columns = _columns(made.rays, made.pdg, made.before)
            columns["weight"] = columns["weight"] / rounds
            keep = columns["weight"] > 0
            columns = {name: values[keep] for name, values in columns.items()}
            columns["origin"] = np.full(int(keep.sum()), made.origin, np.int8)
            parts.append(columns)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    particles = rounds * per_round
    header: dict[str, Any] = {
        "beam": beam,
        "mode": mode,
        "seed": seed,
        "particles": particles,
        "secondaries": secondaries,
    }
    if mesons.species:
        header["neutral_mesons"] = {
            "species": list(mesons.species),
            "source": {str(pdg): hadrons_of(place).neutral[pdg].source for pdg in mesons.species},
            "scale": {str(pdg): simulation.neutral.scale[pdg] for pdg in mesons.species},
        }
    source = f"{beam} in {mode} mode, simulated by darkhorn: {particles} particles started, seed {seed}"
    return ray_table(joined, where="simulation", source=source, header=header)


def _columns(rays: Rays, pdg: int, before: int) -> dict[str, NDArray[Any]]:
    number = rays.weight.shape[0]
    axis = [np.zeros(number)] * 3
    if before:
        parent = four(_energy(rays.before, PARENT_MASSES[abs(before)]), rays.before)
        muon = four(_energy(rays.momentum, PARENT_MASSES[13]), rays.momentum)
        axis = [np.asarray(a) for a in spin_axis(parent, muon, jnp.asarray(PARENT_MASSES[13]))]
    return {
        "nu_pdg": np.zeros(number, np.int32),
        "parent_pdg": np.full(number, pdg, np.int32),
        **{a: np.asarray(getattr(rays, a)) for a in "xyz"},
        **{f"p{a}": np.asarray(getattr(rays.momentum, a)) for a in "xyz"},
        "weight": np.asarray(rays.weight),
        "energy_star": np.full(number, np.nan),
        **{f"spin_{a}": values for a, values in zip("xyz", axis, strict=True)},
        "extrapolated": np.asarray(rays.extrapolated).astype(np.int8),
        "time": np.asarray(rays.time),
    }


def _energy(p: Vector, mass: float) -> jax.Array:
    return jnp.sqrt(p.dot(p) + mass * mass)


# ------------------------------------------------------------------------------------------------------------
# table -> neutrinos
def neutrinos_of(table: RayTable, seed: int = 1) -> RayTable:
    """The table with every decay chosen: a ray with nu_pdg 0 becomes one ray for each of the neutrinos its parent has,
    with the branching ratio in its weight and its energy in the rest frame drawn from the spectrum. pi0 and eta, which
    have none, are left out.

    Raises InputError for parents whose spectra are not known.
    """
    silent = np.isin(table["parent_pdg"], NO_NEUTRINOS)
    if silent.any():
        if silent.all():
            do = "Make rays of the charged mesons and K0_L too."
            raise InputError(table.source, "rays of pi0 and eta only", "a particle that decays to neutrinos", do)
        table = table.where(~silent)
    open_ones = table["nu_pdg"] == 0
    if not open_ones.any():
        return table
    parts = [table.where(~open_ones)]
    for pdg in np.unique(table["parent_pdg"][open_ones]):
        kind, sign = abs(int(pdg)), 1 if pdg > 0 else -1
        if kind not in (211, 321, 130, 13):
            do = "Choose the decay (nu_pdg, energy_star) where the rays are made."
            raise InputError(table.source, f"rays of {pdg} without a chosen decay", "+-211, +-321, 130, +-13", do)
        rows = table.where(open_ones & (table["parent_pdg"] == pdg))
        for number, emission in enumerate(emissions(kind)):
            charge = 1 if kind == 130 else (-sign if kind == 13 else sign)  # emissions are for mu+ (-13), pi+ and K+
            u = np.random.default_rng((seed, kind, int(pdg < 0), number)).random(len(rows))
            star = np.interp(u, np.linspace(0, 1, len(emission.energy)), emission.energy)
            chosen = {
                **rows.columns,
                "nu_pdg": np.full(len(rows), emission.pdg * charge, np.int32),
                "weight": rows["weight"] * emission.branching,
                "energy_star": star,
            }
            parts.append(RayTable(chosen, table.frame, table.relocatable, table.pot, table.source, table.header))
    columns = {name: np.concatenate([part[name] for part in parts]) for name, *_ in COLUMNS}
    return RayTable(columns, table.frame, table.relocatable, table.pot, table.source, table.header)


@jax.jit
def _seen(point: Vector, columns: dict[str, jax.Array], mass: jax.Array) -> RaySeen:
    place, momentum, axis = (Vector(*(columns[f"{head}{a}"] for a in "xyz")) for head in ("", "p", "spin_"))
    parent = four(jnp.sqrt(momentum.dot(momentum) + mass * mass), momentum)
    return neutrino_at(point, place, parent, mass, columns["energy_star"], axis, columns["electron"])


def seen_at(table: RayTable, points: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Energy (GeV) and flux (cm^-2 per proton on target) of the neutrino of each ray at its own point. (n,) each.

    points: cm, (n,) or numbers, in the frame of the table. Every decay must be chosen (`neutrinos_of`).
    """
    number = len(table)
    where = [np.broadcast_to(np.asarray(p, np.float64), (number,)) for p in points]
    columns = {name: table[name] for name in ("x", "y", "z", "px", "py", "pz", "spin_x", "spin_y", "spin_z")}
    columns |= {"energy_star": table["energy_star"], "electron": np.abs(table["nu_pdg"]) == 12}
    mass, energy, flux = table.mass, np.empty(number), np.empty(number)
    for start in range(0, number, _CHUNK):
        at = np.minimum(np.arange(start, start + min(_CHUNK, _padded(number))), number - 1)  # the last one again
        piece = {name: jnp.asarray(values[at]) for name, values in columns.items()}
        seen = _seen(Vector(*(jnp.asarray(p[at]) for p in where)), piece, jnp.asarray(mass[at]))
        stop = min(start + _CHUNK, number)
        energy[start:stop] = np.asarray(seen.energy)[: stop - start]
        flux[start:stop] = np.asarray(seen.per_area)[: stop - start] * table["weight"][start:stop]
    return energy, flux


def _padded(number: int) -> int:
    """The next power of two: tables of a few rays share programs too."""
    return 1 << max(number - 1, 1).bit_length()


# ------------------------------------------------------------------------------------------------------------
# flux in a detector
def points_in(detector: Detector, volumes: tuple[str, ...], number: int, seed: int) -> tuple[Array, Array, Array]:
    """Random points (n,), uniform in the union of disjoint volumes, detector frame, cm."""
    rng = np.random.default_rng((seed, 7))
    shapes = [detector.volumes[name].shape for name in volumes]
    sizes = np.array([float(shape.volume()) for shape in shapes])
    u = rng.random((3, number))
    chosen = rng.choice(len(shapes), number, p=sizes / sizes.sum())
    found = np.empty((3, number))
    for i, shape in enumerate(shapes):
        mine = chosen == i
        found[:, mine] = np.stack([np.asarray(c) for c in shape.sample_uniform(*map(jnp.asarray, u[:, mine]))])
    return found[0], found[1], found[2]


def points_on(at: Window, number: int, seed: int) -> tuple[Array, Array, Array]:
    """Random points (n,), uniform in a window, beam frame, cm."""
    u = np.random.default_rng((seed, 8)).random((3, number))
    x, y, z = (np.broadcast_to(np.asarray(c), (number,)) for c in point_in(at, *map(jnp.asarray, u)))
    return x, y, z


def seen_in(table: RayTable, detector: Detector, volumes: tuple[str, ...], seed: int = 1) -> tuple[Array, Array]:
    """Energy and flux of the neutrino of each ray at a random point of the volumes. As `seen_at`."""
    points = points_in(detector, volumes, len(table), seed)
    return seen_at(table, points if table.frame == "detector" else to_beam(detector, *points))


def reweighted(table: RayTable, energy: Array, path: str | Path) -> Array:
    """Factor of each ray from a table of ratios (`fluxes.readers.read_ratio_table`), by its neutrino, its parent and
    the energy at which it was seen; a ratio of a parent goes before that of its flavour; 1 where the table says
    nothing. (n,). Raises InputError, also for a table that touches no ray.
    """
    edges, ratios = read_ratio_table(path)
    cell = np.searchsorted(edges, energy, side="right") - 1
    inside = (cell >= 0) & (cell < len(edges) - 1)
    factor, touched = np.ones(len(table)), np.zeros(len(table), bool)
    for (nu, parent), values in sorted(ratios.items(), key=lambda item: item[0][1] is not None):
        mine = inside & (table["nu_pdg"] == nu) & ((parent is None) | (table["parent_pdg"] == (parent or 0)))
        factor[mine], touched[mine] = values[cell[mine]], True
    if not touched.any():
        raise InputError(str(path), "ratios for none of the rays", "flavours and parents of the beam", "Check it.")
    return factor


def flux_of(table: RayTable, energy: Array, flux: Array, detector: str, edges: NDArray[Any] = EDGES) -> BeamFlux:
    """Neutrinos with their energies and fluxes in bins of `edges`, per neutrino, parent and origin; errors are
    statistical (rays taken as independent).
    """
    content: dict[tuple[int, int, int], Array] = {}
    variance: dict[tuple[int, int, int], Array] = {}
    kinds = np.stack([table["nu_pdg"], table["parent_pdg"], table["origin"]])
    for nu, parent, origin in np.unique(kinds, axis=1).T.tolist():
        mine = (kinds == np.array([[nu], [parent], [origin]])).all(axis=0)
        content[nu, parent, origin] = np.histogram(energy[mine], edges, weights=flux[mine])[0]
        variance[nu, parent, origin] = np.histogram(energy[mine], edges, weights=flux[mine] ** 2)[0]
    beam, mode = (str(table.header.get(key, "user")) for key in ("beam", "mode"))
    number = int(table.header.get("particles", len(table)))
    return BeamFlux(beam, mode, detector, number, content, variance, edges)
