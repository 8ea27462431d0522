"""dk2nu and gsimple files: written with uproot in their public layout, read back, seen from two places."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray_files import decays, published_weight, write_dk2nu, write_gsimple

from darkhorn.fluxes.dk2nu import read_dk2nu, read_gsimple, read_root_rays
from darkhorn.fluxes.rays import RayTable, joined
from darkhorn.fluxes.root_files import branches
from darkhorn.generator.beams.ray_flux import seen_at
from darkhorn.kernels.errors import InputError

pytest.importorskip("uproot")

NEAR, FAR = (73.78, 0.0, 11000.0), (45037.0, 8015.39, 79511.29)  # cm: SBND, and a place far off the axis
POT = 1e5


def disc(point: tuple[float, float, float], d: dict[str, Any]) -> Any:
    """Solid angle of a disc of 1 m radius, of which dk2nu gives the probability."""
    distance = np.sqrt(sum((x - d[f"v{a}"]) ** 2 for x, a in zip(point, "xyz", strict=True)))
    return 2 * np.pi * (1 - np.cos(np.arctan(100 / distance.astype(np.longdouble)))), distance


@pytest.mark.parametrize("prefix", ["decay.", "dk2nu.decay."])
def test_weights_and_energies_are_those_of_the_published_formula(
    tmp_path: Path, rng: np.random.Generator, prefix: str
) -> None:
    d = decays(rng)
    table = read_dk2nu(write_dk2nu(tmp_path / "a.root", d, prefix=prefix))
    assert table.pot == POT
    assert (table.frame, table.relocatable, len(table)) == ("beam", True, 40)
    muons = np.isin(d["ndecay"], (11, 12))
    length = np.sqrt(sum(table[f"spin_{a}"] ** 2 for a in "xyz"))
    np.testing.assert_allclose(length, muons, atol=1e-14)
    for point in (NEAR, FAR):
        energy, flux = seen_at(table, point)  # type: ignore[arg-type]
        expected = np.array([published_weight(d, i, point) for i in range(40)])
        solid_angle, distance = disc(point, d)
        np.testing.assert_allclose(energy, expected[:, 0], rtol=1e-12)
        weight = flux * POT / d["nimpwt"] * distance**2 * solid_angle.astype(np.float64)
        np.testing.assert_allclose(weight, expected[:, 1], rtol=1e-12)


def test_muons_without_polarisation_are_isotropic(tmp_path: Path, rng: np.random.Generator) -> None:
    """Captures (ndecay 0), and muons whose parent was not written, have no axis."""
    d = decays(rng)
    d["ndecay"] = np.where(d["ndecay"] == 12, 0, d["ndecay"]).astype(np.int32)
    d["mupare"] = np.where(d["ptype"] == -13, -9999.0, d["mupare"])
    table = read_dk2nu(write_dk2nu(tmp_path / "a.root", d))
    assert not any(table[f"spin_{a}"].any() for a in "xyz")


def test_times_are_those_of_the_ancestors(tmp_path: Path, rng: np.random.Generator) -> None:
    """The neutrino starts when its parent decays; the proton starts at its own time, 10 cm in front of z = 0. Entries
    without ancestors, or whose decay would be faster than light, have no time.
    """
    d = decays(rng, 14)
    light = np.sqrt(d["vx"] ** 2 + d["vy"] ** 2 + (d["vz"] + 10) ** 2) / 29.9792458
    late = rng.uniform(0.2, 20, 14)
    late[5] = -3.0
    startt = [[2.0, 2.5, 2.0 + a + b] for a, b in zip(light, late, strict=True)]
    starts = {"startx": [[0.0] * 3] * 14, "starty": [[0.0] * 3] * 14, "startz": [[-10.0, 5.0, 60.0]] * 14}
    lists = {"startt": startt, **starts}
    for values in lists.values():
        values[9] = []
    found = read_dk2nu(write_dk2nu(tmp_path / "a.root", d, ancestors=lists))["time"]
    known = ~np.isin(np.arange(14), (5, 9))
    np.testing.assert_array_equal(np.isnan(found), ~known)
    np.testing.assert_allclose(found[known], (light + late - 10 / 29.9792458)[known], rtol=1e-12)
    del lists["startz"]
    assert np.isnan(read_dk2nu(write_dk2nu(tmp_path / "b.root", d, ancestors=lists))["time"]).all()
    assert np.isnan(read_dk2nu(write_dk2nu(tmp_path / "c.root", d))["time"]).all()


def test_several_files_are_one(tmp_path: Path, rng: np.random.Generator) -> None:
    """Protons add up, over the entries of a merged file and over files; each ray counts once per proton of all."""
    d = decays(rng)
    first = {name: values[:10] for name, values in d.items()}
    rest = {name: values[10:] for name, values in d.items()}
    one = read_dk2nu(write_dk2nu(tmp_path / "all.root", d, pots=(1e5, 3e5)))
    two = read_dk2nu(write_dk2nu(tmp_path / "a.root", first), write_dk2nu(tmp_path / "b.root", rest, pots=(3e5,)))
    assert one.pot == two.pot == 4e5
    for name, values in one.columns.items():
        np.testing.assert_allclose(values, two[name], rtol=1e-14, err_msg=name)
    np.testing.assert_allclose(one["weight"], d["nimpwt"] / 4e5, rtol=1e-14)


def entries(rng: np.random.Generator, number: int = 20) -> dict[str, Any]:
    p = rng.uniform(0.3, 5, number)
    direction = np.stack([rng.normal(0, 0.05, number), rng.normal(0, 0.05, number), np.ones(number)])
    direction /= np.linalg.norm(direction, axis=0)
    names = ("wgt", "vtxx", "vtxy", "vtxz", "dist", "E")
    made = dict(
        zip(names, (np.ones(number), *rng.normal(0, 1, (3, number)), rng.uniform(50, 500, number), p), strict=True)
    )
    return {**made, **{f"p{a}": p * direction[i] for i, a in enumerate("xyz")}, "pdg": np.full(number, 14, np.int32)}


def test_gsimple_gives_its_flux_at_its_window(tmp_path: Path, rng: np.random.Generator) -> None:
    """At its own point of the window a neutrino has its energy, and wgt/(A cos alpha) per area across it; metres."""
    e = entries(rng)
    path = write_gsimple(tmp_path / "g.root", e, protons=2e6)
    table = read_root_rays(path)
    assert (table.frame, table.relocatable, table.pot, set(table["parent_pdg"])) == ("detector", False, 2e6, {0})
    normal = np.cross((0, 2.0, 0.5), (3.0, 0, 0))
    energy, flux = seen_at(table, tuple(100 * e[f"vtx{a}"] for a in "xyz"))
    np.testing.assert_allclose(energy, e["E"], rtol=1e-12)
    across = np.abs(sum(normal[i] * e[f"p{a}"] for i, a in enumerate("xyz"))) / e["E"]
    np.testing.assert_allclose(flux, 1 / (1e4 * across) / 2e6, rtol=1e-12)
    # every neutrino through the window counts once: the flow through it is the number of rays
    cosine = across / np.linalg.norm(normal)
    assert np.sum(flux * cosine) * 1e4 * np.linalg.norm(normal) * 2e6 == pytest.approx(20, rel=1e-12)
    assert read_gsimple(path, path).pot == 4e6
    assert read_gsimple(path, path)["weight"].sum() == pytest.approx(table["weight"].sum())


def broken(folder: Path, what: str, rng: np.random.Generator) -> Path:
    import uproot

    d, path = decays(rng), folder / "x.root"
    if what == "histogram only":
        with uproot.recreate(path) as file:
            file["h501"] = np.histogram([1.0], 3)
        return path
    if what == "no meta":
        return write_dk2nu(path, d, meta=False)
    if what == "missing branch":
        return write_dk2nu(path, d, leave_out=("necm", "vz"))
    if what == "no entries":
        return write_dk2nu(path, {name: values[:0] for name, values in d.items()})
    if what == "no protons":
        return write_dk2nu(path, d, pots=())
    if what == "zero protons":
        return write_dk2nu(path, d, pots=(0.0,))
    if what == "geant codes":
        return write_dk2nu(path, {**d, "ntype": np.full(40, 56, np.int32)})
    if what == "strange parent":
        return write_dk2nu(path, {**d, "ptype": np.full(40, 8, np.int32)})
    if what == "nan":
        return write_dk2nu(path, {**d, "pdpx": np.full(40, np.nan)})
    if what == "negative weight":
        return write_dk2nu(path, {**d, "nimpwt": -d["nimpwt"]})
    if what == "nothing in it":
        with uproot.recreate(path):
            pass
        return path
    if what == "no bytes":
        path.touch()
        return path
    if what == "text":
        path.write_text("no file of ROOT")
        return path
    if what == "truncated":
        path.write_bytes(write_dk2nu(folder / "whole.root", d).read_bytes()[:900])
        return path
    if what == "gsimple without distance":
        return write_gsimple(path, {**entries(rng), "dist": np.zeros(20)})
    if what == "gsimple window":
        return write_gsimple(path, entries(rng), sides=((1, 0, 0), (2, 0, 0)))
    return folder / "nothing.root"


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("histogram only", "h501.*dk2nuTree"),
        ("no meta", "no tree dkmetaTree"),
        ("missing branch", r"no branch decay\.vz, decay\.necm"),
        ("no entries", "no entries"),
        ("no protons", "no entry of dkmeta.pots"),
        ("zero protons", "0 protons"),
        ("geant codes", "ntype 56"),
        ("strange parent", "parent_pdg = 8 in ray 0"),
        ("nan", "px = nan in ray 0"),
        ("negative weight", "weight = -"),
        ("nothing in it", r"\(none\)"),
        ("no bytes", "no ROOT file"),
        ("text", "no ROOT file"),
        ("truncated", "a broken ROOT file|no tree"),
        ("gsimple without distance", "dist of 0"),
        ("gsimple window", "without area"),
        ("missing", "no such file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, rng: np.random.Generator, what: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_root_rays(broken(tmp_path, what, rng))


def test_without_uproot_the_extra_is_named(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dk2nu(tmp_path / "a.root", decays(rng))
    monkeypatch.setitem(sys.modules, "uproot", None)
    with pytest.raises(InputError, match=r"darkhorn\[root\]"):
        read_dk2nu(path)


def test_names_of_arrays_of_classes_have_lengths() -> None:
    """ROOT calls an array in a class `windowDir1[3]`; uproot cannot write such a branch."""

    class Branch:
        def array(self, library: str) -> Any:
            return np.array([[1.0, 2.0, 3.0]])

    class Tree(dict[str, Branch]):
        name = "meta"

        def keys(self, recursive: bool = False) -> list[str]:  # type: ignore[override]
            return list(self)

    found = Tree({"meta": Branch(), "meta/protons": Branch(), "meta/windowDir1[3]": Branch()})
    np.testing.assert_array_equal(branches(found, ["windowDir1"], Path("g.root"))["windowDir1"], [[1.0, 2.0, 3.0]])


def test_files_of_different_kinds_do_not_mix(tmp_path: Path, rng: np.random.Generator) -> None:
    one = read_dk2nu(write_dk2nu(tmp_path / "a.root", decays(rng)))
    other = read_gsimple(write_gsimple(tmp_path / "g.root", entries(rng)))
    with pytest.raises(InputError, match="different kinds"):
        joined([one, other], "both")
    renamed = RayTable(one.columns, "beam", True, one.pot, "x", {"beam": "numi"})
    with pytest.raises(InputError, match="different beams"):
        joined([one, renamed], "both")
