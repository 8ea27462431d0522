"""The fit of the shipped tables, on made-up tables: the published ones are not part of the project."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from darkhorn.fluxes.fit_tables import SHARE_KNOTS, curve_bins, fit_curve, main, merge_bins, parent_shares, smooth_ratio
from darkhorn.fluxes.tables import Flux
from darkhorn.kernels.errors import InputError

EDGES = np.linspace(0, 10, 201)


def table(noise: float) -> Flux:
    centre = (EDGES[1:] + EDGES[:-1]) / 2
    shape = 1e-11 * centre * np.exp(-(((centre - 0.5) / 0.8) ** 2)) + 1e-13 * centre * np.exp(-centre)
    wiggle = 1 + noise * np.random.default_rng(7).uniform(-1, 1, centre.size)
    return Flux.from_bins(14, EDGES, np.where(centre < 6, shape * wiggle, 0.0))


@pytest.mark.parametrize(("noise", "most_knots"), [(0.0, 30), (0.2, 85)])
def test_fit_reaches_its_tolerance_and_keeps_the_integrals(noise: float, most_knots: int) -> None:
    flux = table(noise)
    curve = fit_curve(flux, 0.009, 0.05)
    bins = curve_bins(curve, EDGES)
    np.testing.assert_allclose(bins[2:60], flux.content[2:60], rtol=0.01)
    assert bins.sum() == pytest.approx(flux.content.sum(), rel=2e-4)
    assert bins[4:40].sum() == pytest.approx(flux.content[4:40].sum(), rel=2e-4)
    assert curve.energy.size <= most_knots
    assert np.diff(curve.energy).min() > 0.0499


def test_fit_is_deterministic() -> None:
    first, second = fit_curve(table(0.1), 0.009, 0.05), fit_curve(table(0.1), 0.009, 0.05)
    np.testing.assert_array_equal(first.log_phi, second.log_phi)


def test_merged_bins_hold_all_the_flux() -> None:
    flux = table(0.2)
    groups = merge_bins(flux, 0.01)
    assert groups.content.sum() == pytest.approx(flux.content.sum(), rel=1e-12)
    assert groups.edges[-1] == pytest.approx(6.0)
    np.testing.assert_allclose(groups.edges[:61], EDGES[:61])
    assert set(np.round(np.diff(groups.edges[60:]), 6)) == {0.1, 0.25, 0.5}


def test_ratio_of_two_fluxes_is_found() -> None:
    flux = table(0.0)
    centre = (EDGES[1:] + EDGES[:-1]) / 2
    other = Flux.from_bins(14, EDGES, flux.content * (1.3 + 0.1 * np.sin(centre)))
    energy = np.array([0.3, 1.0, 2.0])
    np.testing.assert_allclose(smooth_ratio(other, flux)(energy), 1.3 + 0.1 * np.sin(energy), rtol=2e-3)


def parents_csv(folder: Path) -> Path:
    path = folder / "miniboone_FHC_by_parent.csv"
    shorts = ("pi", "Kpm", "K0L", "mu")
    flavours = ("numu", "numubar", "nue", "nuebar")
    lines = ["# made up", ",".join(["E_lo_GeV", "E_hi_GeV", *(f"{f}_from_{s}" for f in flavours for s in shorts)])]
    for low in EDGES[:-1]:
        kaon = min(low / 4, 1.0)
        lines.append(",".join(map(str, [low, low + 0.05, *[1 - kaon, kaon, 0, 0] * 4])))
    path.write_text("\n".join(lines))
    return path


def test_shares_of_parents_are_found(tmp_path: Path) -> None:
    shares = parent_shares(parents_csv(tmp_path))["-14"]
    assert shares["321"][SHARE_KNOTS.index(1.0)] == pytest.approx(
        (1.0 - 0.025) / 4, abs=2e-3
    )  # made up at the lower edges
    np.testing.assert_allclose(np.sum(list(shares.values()), axis=0), 1, atol=2e-4)


def test_shares_from_a_wrong_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="split by last parent"):
        parent_shares(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_text("E_lo_GeV,E_hi_GeV\n0,1\n")
    with pytest.raises(InputError, match="split by last parent"):
        parent_shares(tmp_path / "x.csv")


NEARER = [1.1, 1.2, 1.3, 1.4]  # made-up ratio of numu, numubar, nue, nuebar at MicroBooNE and MiniBooNE


def published(folder: Path) -> None:
    for name in ("miniboone_FHC", "miniboone_RHC", "microboone_BNB_FHC", "sbnd_BNB_FHC_digitised"):
        flux = table(0.0)
        factors = NEARER if name.startswith("microboone") else [1.0] * 4
        rows = ["E_lo_GeV,E_hi_GeV,numu,numubar,nue,nuebar"]
        for i, content in enumerate(flux.content):
            rows.append(",".join(map(str, [EDGES[i], EDGES[i + 1], *(content * factor for factor in factors)])))
        (folder / f"{name}.csv").write_text("\n".join(rows))
    parents_csv(folder)


def test_command_writes_every_table(tmp_path: Path) -> None:
    published(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    result = CliRunner().invoke(main, ["--published", str(tmp_path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    shipped = Path(__file__).parents[2] / "fluxes" / "data"
    assert {p.name for p in out.iterdir()} == {p.name for p in shipped.glob("*.json")}
    assert all(p.read_text().splitlines()[1].startswith('  "source"') for p in out.iterdir())
    assert result.output.count("bnb-neutrino-miniboone") == 4

    knots = [json.loads((out / f"bnb-antineutrino-{d}.json").read_text())["knots"] for d in ("microboone", "miniboone")]
    for pdg, ratio in zip(("-14", "14", "-12", "12"), NEARER, strict=True):  # right sign for right sign
        here, there = (dict(table[pdg])[0.975] for table in knots)
        assert here - there == pytest.approx(np.log(ratio), abs=2e-3)


def test_command_says_what_is_missing(tmp_path: Path) -> None:
    missing = CliRunner().invoke(main, ["--published", str(tmp_path / "none")])
    assert (missing.exit_code, "no such file" in missing.output) == (3, True)
    published(tmp_path)
    unwritable = CliRunner().invoke(main, ["--published", str(tmp_path), "--out", str(tmp_path / "none")])
    assert (unwritable.exit_code, "--out" in unwritable.output) == (4, True)
