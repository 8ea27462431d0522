"""Ray files: there and back, refused where they are not what they should be."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from ray_files import decays, write_dk2nu

from darkhorn.fluxes.rays import COLUMNS, RayTable, ray_table
from darkhorn.generator.files.ray_file import read_rays, write_rays
from darkhorn.kernels.errors import InputError, OutputError


def table(rng: np.random.Generator, number: int = 30, seed: int = 4) -> RayTable:
    columns = {name: rng.normal(size=number) for name in ("x", "y", "z", "px", "py", "pz")}
    columns |= {"nu_pdg": np.zeros(number), "parent_pdg": np.resize([211, -13, 321], number)}
    columns |= {"weight": rng.random(number), "energy_star": np.full(number, np.nan)}
    columns |= {"time": np.where(np.arange(number) % 4, rng.uniform(0, 1e4, number), np.nan)}
    return ray_table(columns, where="test", source="a test", header={"beam": "bnb", "mode": "neutrino", "seed": seed})


def test_files_without_times_are_read(tmp_path: Path, rng: np.random.Generator) -> None:
    """Schema 1.0 had none: nan. A file that says 1.1 must have them."""
    path = tmp_path / "rays.h5"
    write_rays(table(rng), path)
    with h5py.File(path, "a") as file:
        del file["rays/time"]
    with pytest.raises(InputError, match="time"):
        read_rays(path)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = "1.0.0"
    assert np.isnan(read_rays(path)["time"]).all()


def test_there_and_back(tmp_path: Path, rng: np.random.Generator) -> None:
    made, path = table(rng), tmp_path / "rays.h5"
    write_rays(made, path)
    found = read_rays(path)
    for name, kind, *_ in COLUMNS:
        assert found[name].dtype == kind
        np.testing.assert_array_equal(found[name], made[name])
    assert (found.frame, found.relocatable, found.pot) == ("beam", True, 0)
    assert {key: value for key, value in found.header.items() if key != "files"} == made.header
    assert "a test" in found.source
    with h5py.File(path) as file:
        assert {"schema", "schema_version", "generator_version", "created_utc", "versions"} <= set(file.attrs)
        assert file["rays/z"].attrs["units"] == "cm"
    with pytest.raises(OutputError, match="existing file"):
        write_rays(made, path)
    write_rays(made, path, overwrite=True)
    assert not list(tmp_path.glob("*.part"))


def test_two_runs_are_averaged(tmp_path: Path, rng: np.random.Generator) -> None:
    """Weights are per proton: twice the rays of one beam are the same beam."""
    made, other = table(rng), table(rng, seed=5)
    write_rays(made, tmp_path / "a.h5")
    write_rays(other, tmp_path / "b.h5")
    both = read_rays(tmp_path / "a.h5", tmp_path / "b.h5")
    assert len(both) == 60
    assert both["weight"].sum() == pytest.approx((made["weight"].sum() + other["weight"].sum()) / 2, rel=1e-14)


def test_the_same_rays_twice_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    """They would count as twice the statistics: the same bytes, and runs of one seed, which share random numbers."""
    a, b, c = (tmp_path / f"{name}.h5" for name in "abc")
    write_rays(table(rng), a)
    write_rays(table(rng, number=60), b)
    write_rays(table(rng, seed=5), c)
    for second in (a, b):
        with pytest.raises(InputError, match=r"the same rays as in .*a\.h5, seed 4"):
            read_rays(a, c, second)
    pytest.importorskip("uproot")
    one = write_dk2nu(tmp_path / "a.root", decays(rng))
    (tmp_path / "copy.root").write_bytes(one.read_bytes())
    with pytest.raises(InputError, match=r"the same rays as in .*a\.root"):
        read_rays(one, tmp_path / "copy.root")


def test_dk2nu_through_the_same_door_and_stored(tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("uproot")
    found = read_rays(write_dk2nu(tmp_path / "a.root", decays(rng)))
    write_rays(found, tmp_path / "a.h5")
    again = read_rays(tmp_path / "a.h5")
    assert again.pot == found.pot == 1e5
    np.testing.assert_array_equal(again["spin_z"], found["spin_z"])


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", "no such file"),
        ("text", "neither HDF5 nor ROOT"),
        ("foreign", "holds no rays"),
        ("newer", "schema version 2.0.0"),
        ("no column", "broken ray file"),
        ("short column", "broken ray file"),
        ("truncated", "broken ray file"),
        ("strange parent", "parent_pdg = 2212"),
        ("no weight", "all 0"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, rng: np.random.Generator, what: str, says: str) -> None:
    path = tmp_path / "rays.h5"
    if what == "text":
        path.write_text("E numu\n1 2\n")
    elif what != "missing":
        write_rays(table(rng), path)
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    if what not in ("missing", "text", "truncated"):
        with h5py.File(path, "a") as file:
            if what == "foreign":
                file.attrs["schema"] = "darkhorn-events"
            if what == "newer":
                file.attrs["schema_version"] = "2.0.0"
            if what in ("no column", "short column"):
                del file["rays/px"]
            if what == "short column":
                file["rays/px"] = np.zeros(3)
            if what == "strange parent":
                file["rays/parent_pdg"][3] = 2212
            if what == "no weight":
                file["rays/weight"][...] = 0
    with pytest.raises(InputError, match=says):
        read_rays(path)
