"""Readers of dk2nu and gsimple files, the ROOT formats of the beam simulations of Fermilab.

Layouts: classes bsim::Dk2Nu, bsim::DkMeta (trees dk2nuTree, dkmetaTree) of github.com/NuSoftHEP/dk2nu, and
genie::flux::GSimpleNtpEntry, GSimpleNtpMeta (trees flux, meta) of GENIE. Branches may be split under a class name
(`dk2nu/decay/decay.vx`) or flat (`decay.vx`).
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.rays import RayTable, joined, ray_table
from darkhorn.fluxes.root_files import branches, ends_of_lists, names_in, open_root, tree
from darkhorn.kernels.constants import MASS_MUON, SPEED_OF_LIGHT
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.kinematics import FourVector, Vector, four
from darkhorn.kernels.location import spin_axis

Array = NDArray[np.float64]

# entries 11 and 12 of the list of decays: mu+ and mu- decay. Old files write capture as 0; it has no polarisation.
MUON_DECAYS = (11, 12)
_DECAY = (
    "ndecay", "ntype", "ptype", "vx", "vy", "vz", "pdpx", "pdpy", "pdpz", "necm", "nimpwt",
    "ppdxdz", "ppdydz", "pppz", "ppenergy", "muparpx", "muparpy", "muparpz", "mupare",
)  # fmt: skip
_ENTRY = ("wgt", "vtxx", "vtxy", "vtxz", "dist", "px", "py", "pz", "E", "pdg")
_WINDOW = ("windowDir1", "windowDir2")


def read_root_rays(path: str | Path) -> RayTable:
    """The rays of a dk2nu or gsimple file; which of them, its trees say. Raises InputError."""
    path = Path(path)
    with open_root(path) as file:
        names = names_in(file)
        if "dk2nuTree" in names or "dkmetaTree" in names:
            return _dk2nu(file, path)
        if "flux" in names and "meta" in names:
            return _gsimple(file, path)
        allowed = "dk2nuTree and dkmetaTree (dk2nu), or flux and meta (gsimple)"
        found = f"the objects {', '.join(list(names)[:8]) or '(none)'}"
        raise InputError(str(path), found, allowed, "Give a file of rays; histograms are `kind: histogram`.")


def read_dk2nu(*paths: str | Path) -> RayTable:
    """Parents at decay of one or more dk2nu files, with importance weights, beam frame.

    weight = nimpwt / (sum of dkmeta.pots over the files); energy_star = necm, kept for every place (exact: the decay is
    isotropic in the parent's rest frame). For muon decays the spin axis is the direction of the muon's parent
    (muparp*, mupare) in the rest frame of the muon where it was made (ppdxdz, ppdydz, pppz, ppenergy); loss of
    polarisation on the way is not there. Times as `_decay_times`. Raises InputError.
    """
    tables = []
    for path in map(Path, paths):
        with open_root(path) as file:
            tables.append(_dk2nu(file, path))
    return joined(tables, str(paths[0]))


def read_gsimple(*paths: str | Path) -> RayTable:
    """Neutrinos at the window of one or more gsimple files, in the frame of their detector; not relocatable.

    A neutrino that crosses a window of area A at an angle alpha stands for wgt/(A cos alpha) per area across it, per
    proton (meta.protons). It is kept as a decay at rest, `dist` behind the window on its line, of the weight that gives
    this flux at the window. Times are not read. Raises InputError.
    """
    tables = []
    for path in map(Path, paths):
        with open_root(path) as file:
            tables.append(_gsimple(file, path))
    return joined(tables, str(paths[0]))


def _rows(found: dict[str, NDArray[Any]], path: Path, name: str) -> int:
    number = len(next(iter(found.values())))
    if number == 0:
        raise InputError(f"{path}, tree {name}", "no entries", "at least one", "The file is empty.")
    return number


def _protons(values: Array, path: Path, name: str) -> float:
    pot = float(np.sum(values))
    if not (np.isfinite(pot) and pot > 0):
        found = f"{pot:g} protons on target in {name}" if len(values) else f"no entry of {name}"
        do = "Without it the rays have no normalisation."
        raise InputError(str(path), found, "a positive number of protons", do)
    return pot


def _dk2nu(file: Any, path: Path) -> RayTable:
    pot = _protons(branches(tree(file, "dkmetaTree", path), ["pots"], path)["pots"], path, "dkmeta.pots")
    found = branches(tree(file, "dk2nuTree", path), [f"decay.{name}" for name in _DECAY], path)
    _rows(found, path, "dk2nuTree")
    d = {name: found[f"decay.{name}"] for name in _DECAY}
    axis = _spin(d)
    columns = {
        "nu_pdg": d["ntype"],
        "parent_pdg": d["ptype"],
        **{axis_name: d[f"v{axis_name}"] for axis_name in "xyz"},
        **{f"p{axis_name}": d[f"pdp{axis_name}"] for axis_name in "xyz"},
        "weight": d["nimpwt"].astype(np.float64) / pot,
        "energy_star": d["necm"],
        **{f"spin_{axis_name}": values for axis_name, values in zip("xyz", axis, strict=True)},
        "time": _decay_times(tree(file, "dk2nuTree", path), d),
    }
    chosen = np.isin(np.asarray(d["ntype"]), (12, -12, 14, -14, 16, -16))
    if not chosen.all():
        bad = int(np.flatnonzero(~chosen)[0])
        do = "Old files have Geant3 codes: convert them to dk2nu."
        raise InputError(f"{path}, entry {bad}", f"ntype {d['ntype'][bad]}", "PDG codes of neutrinos", do)
    header = {"format": "dk2nu"}
    return ray_table(columns, where=str(path), source=f"dk2nu file {path.name}", pot=pot, header=header)


def _decay_times(found: Any, d: dict[str, NDArray[Any]]) -> Array:
    """Times (ns) of the decays after the proton crossed z = 0, from `ancestor`: the last of an entry is the neutrino,
    the first the proton, which is taken to be as fast as light. nan where there are none, or where the decay would be
    more than 0.1 ns earlier than light gets there from the start of the proton.
    """
    unknown = np.full(len(d["vz"]), np.nan)
    names = ("startt", "startx", "starty", "startz")
    ends = [ends_of_lists(found, f"ancestor.{name}") for name in names]
    if any(each is None or len(each[0]) != len(unknown) for each in ends):
        return unknown
    (first, last), *starts = [each for each in ends if each is not None]
    away = [np.asarray(d[f"v{a}"], np.float64) - begin for a, (begin, _) in zip("xyz", starts, strict=True)]
    elapsed = last - first
    possible = elapsed >= np.sqrt(sum(x * x for x in away)) / SPEED_OF_LIGHT - 0.1
    return np.where(possible, elapsed + starts[2][0] / SPEED_OF_LIGHT, np.nan)


def _spin(d: dict[str, NDArray[Any]]) -> tuple[Array, Array, Array]:
    """Axis of the spin of muons that decay, from their parent; 0 for all others and where the parent is not known."""
    muon = np.isin(d["ndecay"], MUON_DECAYS)
    at = {name: np.where(muon, d[name], 0.0).astype(np.float64) for name in _DECAY}
    energy = np.where(muon, at["ppenergy"], MASS_MUON)
    known = muon & (at["mupare"] > 0) & (energy > 0)
    made = [at["ppdxdz"] * at["pppz"], at["ppdydz"] * at["pppz"], at["pppz"]]
    before = [at["muparpx"], at["muparpy"], at["muparpz"]]
    # the gamma of the stored energy; its last digits and those of the momentum need not agree
    muon_then = four(jnp.asarray(np.where(known, energy, MASS_MUON)), _vector(made, known))
    parent = FourVector(jnp.asarray(np.where(known, at["mupare"], 1.0)), *_vector(before, known))
    axis = spin_axis(parent, muon_then, jnp.asarray(MASS_MUON))
    x, y, z = (np.where(known, np.asarray(component), 0.0) for component in axis)
    return x, y, z


def _vector(components: list[Array], known: NDArray[np.bool_]) -> Vector:
    return Vector(*(jnp.asarray(np.where(known, c, 0.0)) for c in components))


def _gsimple(file: Any, path: Path) -> RayTable:
    meta = branches(tree(file, "meta", path), ["protons", *_WINDOW], path)
    pot = _protons(meta["protons"], path, "meta.protons")
    sides = [meta[name].reshape(-1, 3) for name in _WINDOW]
    if any(np.ptp(side, axis=0).any() for side in sides):
        raise InputError(str(path), "windows that differ", "one window in a file", "Split the file by its window.")
    area = np.cross(sides[0][0], sides[1][0]).astype(np.float64)  # m^2
    size = float(np.linalg.norm(area))
    if not size > 0:
        raise InputError(f"{path}, meta", "a window without area", "two sides of a window", "The file has no window.")
    d = branches(tree(file, "flux", path), _ENTRY, path)
    _rows(d, path, "flux")
    momentum = np.stack([d[f"p{a}"] for a in "xyz"]).astype(np.float64)
    length = np.linalg.norm(momentum, axis=0)
    direction = momentum / np.where(length > 0, length, 1.0)
    cosine = np.abs(area / size @ direction)
    distance = 100.0 * np.asarray(d["dist"], np.float64)  # cm
    for what, good in (("a neutrino that does not cross the window", cosine > 0), ("dist of 0 or less", distance > 0)):
        if not good.all():
            at = f"{path}, entry {int(np.flatnonzero(~good)[0])}"
            do = "The place of the decay is needed: write it when the file is made."
            raise InputError(at, what, "the distance (m) from the decay to a point of the window", do)
    flux = np.asarray(d["wgt"], np.float64) / (1e4 * size * cosine) / pot  # per cm^2
    place = [100.0 * np.asarray(d[f"vtx{a}"], np.float64) - distance * direction[i] for i, a in enumerate("xyz")]
    parent = _gsimple_parents(tree(file, "flux", path), len(length))
    columns = {
        "nu_pdg": d["pdg"],
        "parent_pdg": parent,
        **dict(zip("xyz", place, strict=True)),
        **{f"p{a}": np.zeros(len(length)) for a in "xyz"},
        "weight": flux * 4 * np.pi * distance * distance,
        "energy_star": d["E"],
    }
    source = f"gsimple file {path.name}"
    return ray_table(
        columns, where=str(path), source=source, pot=pot, frame="detector", relocatable=False,
        header={"format": "gsimple"},
    )  # fmt: skip


def _gsimple_parents(found: Any, number: int) -> NDArray[Any]:
    """Species of the parents where the file has them (branch `numi`), else 0."""
    keys = {key.rsplit("/", 1)[-1]: key for key in found.keys(recursive=True)}
    return np.asarray(found[keys["ptype"]].array(library="np")) if "ptype" in keys else np.zeros(number, np.int32)
