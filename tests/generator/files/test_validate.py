"""The validator passes good files (elsewhere) and catches every deliberate violation, under the right name."""

import re

import numpy as np
import pytest

from darkhorn.generator.files.validate import validate
from darkhorn.kernels.errors import InputError, ValidationFailed


def _failed(path):
    return {check.key for check in validate(path).failed()}


@pytest.mark.parametrize("ending", ["h5", "hepmc3", "hepmc3.gz"])
def test_good_files_pass(tmp_path, events, ending) -> None:
    report = validate(events.save(tmp_path / f"a.{ending}"))
    assert report.ok, str(report)
    assert report.events == 170
    report.raise_if_failed()
    assert "FAILED" not in str(report)
    part = events.select("nucleon_zprime_ee").save(tmp_path / f"b.{ending}")
    assert validate(part).ok, str(validate(part))


W, N = "whole_target_zprime_ee", "nucleon_zprime_ee"


def _bump(column, by=1e-6, topology=W):
    def change(events):
        events.topologies[topology][column][7] += by

    return change


def _set(column, value, topology=W):
    def change(events):
        events.topologies[topology][column][7] = value

    return change


def _header(**values):
    def change(events):
        events.header = events.header.replace(**values)

    return change


def _h5_without(*names):
    """Remove parts of a finished file, as a careless script would."""
    import h5py

    def change(path):
        with h5py.File(path, "r+") as file:
            for name in names:
                del file[name]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_bump("em_px"), {"balance", "mass shell"}),
        (_bump("n4_e"), {"balance", "mass shell"}),
        (_bump("recoil_px", 1e-5), {"balance"}),
        (_bump("nu_e", 1e-3, N), {"balance", "mass shell"}),
        (_bump("remnant_pz", 1e-4, N), {"balance"}),
        (_bump("recoil_mass", 1e-3), {"mass shell"}),
        (_set("weight", np.nan), {"finite", "weights", "factors", "sum of weights"}),
        (_set("weight", -1.0), {"weights", "factors", "sum of weights"}),
        (_bump("w_flux", 1e-18), {"factors"}),
        (_set("event_id", 2**33 + 3), {"event ids"}),
        (_bump("decay_x", 1.0), {"flight"}),
        (_set("decay_t", -5.0), {"times", "flight"}),
        (_set("scatter_y", np.inf), {"finite", "flight"}),
        (_set("process_id", 9), {"registries"}),
        (_set("region", 2), {"registries"}),
        (_header(masses={"n4": 0.107, "zprime": 0.03, "electron": 0.00051099895, "neutrino": 0.0}), {"mass shell"}),
        (_header(channels=[]), set()),
        (_set("channel", 5), {"sum of weights"}),
    ],
)
def test_wrong_events_are_caught(tmp_path, events, change, expected) -> None:
    change(events)
    found = _failed(events.save(tmp_path / "a.h5"))
    assert found >= expected
    assert found <= expected | {"mass shell"}


@pytest.mark.parametrize("column", ["em_px", "channel", "target_mass"])
def test_missing_columns(tmp_path, events, column) -> None:
    path = events.save(tmp_path / "a.h5")
    _h5_without(f"events/{W}/{column}")(path)
    report = validate(path)
    assert {check.key for check in report.failed()} == {"rows"}
    assert column in report.failed()[0].example
    del events.topologies[W][column]
    with pytest.raises(InputError, match=column):
        events.save(tmp_path / "b.hepmc3")
    assert not (tmp_path / "b.hepmc3").exists()


def test_missing_weights_cannot_be_read(tmp_path, events) -> None:
    path = events.save(tmp_path / "a.h5")
    _h5_without(f"events/{W}/weight")(path)
    assert _failed(path) == {"schema"}


def test_missing_masses(tmp_path, events) -> None:
    del events.header.masses["n4"]
    with pytest.raises(InputError, match="n4"):
        events.save(tmp_path / "a.h5")


def test_unreadable_files_fail_as_a_report(tmp_path, events) -> None:
    path = events.save(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[:-5000])
    report = validate(path)
    assert [check.key for check in report.failed()] == ["schema"]
    with pytest.raises(ValidationFailed, match="truncated") as caught:
        report.raise_if_failed()
    assert caught.value.exit_code == 5
    with pytest.raises(InputError, match="came from"):
        validate(events.save(tmp_path / "a.hepevt"))


def test_number_of_rows_against_the_header(tmp_path, events) -> None:
    import h5py

    from darkhorn.generator.files.hdf5_header import write_header

    path = events.save(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        write_header(file, events.header.replace(n_events=9))
    assert _failed(path) == {"rows"}


def _gone(pattern):
    return pattern, ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_gone(r"A NuHepMC.Version.Minor .*\n"), "G.R.2"),
        ((r"A NuHepMC.Version.Major 1", "A NuHepMC.Version.Major 0"), "G.R.2"),
        ((r"\nT darkhorn\\\|[^\\]*", r"\nT darkhorn\\|"), "G.R.3"),
        (_gone(r"A NuHepMC.Conventions .*\n"), "G.R.4"),
        ((r"(A NuHepMC.Conventions.*) G.C.2", r"\1"), "G.R.5"),
        ((r"CrossSection.Unit pb", "CrossSection.Unit barn"), "G.R.6"),
        ((r"TargetScale PerAtom", "TargetScale PerTargetAtom"), "G.R.6"),
        ((r"W CV\\\|", r"W Nominal\\|"), "G.R.7"),
        (_gone(r"A NuHepMC.ProcessIDs .*\n"), "G.R.8"),
        (_gone(r"A NuHepMC.ProcessInfo\[751\].Description .*\n"), "G.R.8"),
        ((r"VertexStatusIDs 1 21 22 23", "VertexStatusIDs 1 21 22"), "G.R.9"),
        (_gone(r"A NuHepMC.VertexStatusInfo\[22\].Name .*\n"), "G.R.9"),
        ((r"(ParticleStatusIDs .*) 21", r"\1"), "G.R.10"),
        (_gone(r"A NuHepMC.ParticleStatusInfo\[4\].Description .*\n"), "G.R.10"),
        ((r"(AdditionalParticleNumbers) .*", r"\1 5914 -5914"), "G.R.11"),
        (_gone(r"A NuHepMC.AdditionalParticleNumber\[5921\].Name .*\n"), "G.R.11"),
        ((r"\nE 3 ", r"\nE 2 "), "E.R.2"),
        ((r"\nE 3 ", r"\nE -3 "), "E.R.2"),
        ((r"signal_process_id 751", "signal_process_id 7"), "E.R.3"),
        (_gone(r"A 0 signal_process_id 750\n"), "E.R.3"),
        (("U GEV CM", "U GEV MM"), "E.R.4"),
        (_gone(r"A 0 lab_pos .*\n"), "E.R.5"),
        ((r"A 0 lab_pos .*", "A 0 lab_pos 1 2"), "E.R.5"),
        ((r"\nV -2 22 ", r"\nV -2 1 "), "E.R.6"),
        ((r"\nV -2 22 ", r"\nV -2 0 "), "E.R.6"),
        ((r"\nV -2 22 ", r"\nV -2 7 "), "V.R.1"),
        ((r" 20\nV -1 1", r" 4\nV -1 1"), "E.R.7"),
        ((r"\nP 2 0 1000(18040|06012)0", r"\nP 2 0 5914"), "E.R.7"),
        ((r" 4\nP 2", r" 3\nP 2"), "E.R.8"),
        ((r"(P 8 -3 -11 .*) 1\n", r"\1 2\n"), "E.R.8"),
        ((r"(P 8 -3 -11) \S+", r"\1 3.0"), "E.R.9"),
        ((r"(P 3 -1 .*) 2\n", r"\1 11\n"), "P.R.1"),
        (_gone(r"A NuHepMC.Exposure.POT .*\n"), "G.C.1"),
        ((r"(FluxAveragedTotalCrossSection) .*", r"\1 -1"), "G.C.2"),
        (_gone(r"A NuHepMC.Citations.Generator.* .*\n"), "G.C.3"),
        ((r"(Beam\[14\].Histogram.BinContent) .*", r"\1 0.0 0.0"), "G.C.4"),
        (_gone(r"A NuHepMC.Beam.*EnergyUnit.*\n"), "G.C.4"),
        (_gone(r"A NuHepMC.AdditionalParticleInfo\[5921\].*\n"), "G.C.5"),
        (_gone(r"A 0 tot_xs .*\n"), "E.C.2"),
        ((r"A 0 proc_xs .*", "A 0 proc_xs 1e3"), "E.C.3"),
        ((r"(A 0 lab_pos \S+ \S+ \S+) \S+", r"\1"), "E.C.5"),
    ],
)
def test_every_item_of_nuhepmc_is_checked(tmp_path, make_events, change, expected) -> None:
    path = make_events(6, 4).save(tmp_path / "a.hepmc3")
    text = path.read_text()
    changed = re.sub(change[0], change[1], text)
    assert changed != text
    path.write_text(changed)
    assert expected in _failed(path)


def test_files_of_other_programs_get_the_nuhepmc_checks(tmp_path) -> None:
    import pyhepmc

    event = pyhepmc.GenEvent(pyhepmc.Units.MEV, pyhepmc.Units.MM)
    vertex = pyhepmc.GenVertex()
    vertex.add_particle_in(pyhepmc.GenParticle((0, 0, 1, 1), 14, 4))
    vertex.add_particle_out(pyhepmc.GenParticle((0, 0, 1, 1), 5914, 1))
    event.add_vertex(vertex)
    with pyhepmc.open(str(tmp_path / "a.hepmc3"), "w") as file:
        file.write(event)
    failed = _failed(tmp_path / "a.hepmc3")
    assert failed >= {"schema", "G.R.2", "G.R.5", "G.R.7", "G.R.11", "E.R.3", "E.R.4", "E.R.5", "E.R.6", "E.R.7"}


def test_not_hepmc_at_all(tmp_path) -> None:
    (tmp_path / "a.hepmc3").write_text("nonsense\n")
    assert {"schema", "G.R.1"} <= _failed(tmp_path / "a.hepmc3")
