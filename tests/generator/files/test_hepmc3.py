"""HepMC3 files read by pyhepmc, an independent reader, against the columns they were made from."""

import gzip

import numpy as np
import pyhepmc
import pytest

from darkhorn.generator.files.hepmc3 import C_CM_PER_NS, escape, particle_order
from darkhorn.generator.files.hepmc3_read import unescape
from darkhorn.generator.files.read import header_of, read
from darkhorn.generator.files.validate import validate
from darkhorn.kernels.errors import InputError, OutputError


def _events(path):
    with pyhepmc.open(str(path)) as file:
        return list(file)


@pytest.mark.parametrize("ending", ["hepmc3", "hepmc3.gz"])
def test_pyhepmc_finds_every_number(tmp_path, events, ending) -> None:
    path = events.save(tmp_path / f"a.{ending}")
    found = _events(path)
    assert len(found) == len(events)
    at = 0
    for name, columns in events.topologies.items():
        topology = events.header.topology(name)
        order = particle_order(topology)
        for i in range(len(columns["event_id"])):
            event = found[at]
            assert event.event_number == at
            assert event.attributes["darkhorn.EventId"].astype(str) == str(columns["event_id"][i])
            assert event.attributes["signal_process_id"].astype(int) == columns["process_id"][i]
            assert event.weight("CV") == columns["weight"][i]
            assert event.weight("w_flux") == columns["w_flux"][i]
            place = event.attributes["lab_pos"].astype(list[float])
            np.testing.assert_allclose(place[:3], [columns[f"scatter_{a}"][i] for a in "xyz"], rtol=1e-15)
            assert place[3] == pytest.approx(columns["scatter_t"][i] * 1e-9, rel=1e-15, abs=0)
            for role, particle in zip(order, event.particles, strict=True):
                record = topology.particle(role)
                assert particle.status == record.status
                pdg = columns[f"{role}_pdg"][i] if record.pdg is None else record.pdg
                assert particle.pid == pdg
                if not record.at_rest:
                    momentum = [columns[f"{role}_{c}"][i] for c in ("px", "py", "pz", "e")]
                    assert list(particle.momentum) == momentum
                mass = events.header.masses.get(record.mass) if record.mass else columns[f"{role}_mass"][i]
                assert particle.generated_mass == mass
            for vertex, record in zip(event.vertices, topology.vertices, strict=True):
                assert vertex.status == record.status
                truth = [columns[f"{record.position}_{a}"][i] for a in "xyzt"]
                truth[3] *= C_CM_PER_NS
                np.testing.assert_allclose(list(vertex.position), truth, rtol=1e-15)
            at += 1
    assert validate(path).ok, str(validate(path))


@pytest.mark.parametrize("ending", ["hepmc3", "hepmc3.gz"])
def test_columns_and_header_come_back(tmp_path, events, same, ending) -> None:
    path = events.save(tmp_path / f"a.{ending}")
    back = read(path)
    same(events, back, rtol=4e-16)
    assert back.header.card == events.header.card
    assert header_of(path).to_json() == events.header.to_json()


def test_a_copy_made_by_pyhepmc_is_read_too(tmp_path, events, same) -> None:
    first = events.save(tmp_path / "a.hepmc3")
    with pyhepmc.open(str(first)) as source, pyhepmc.open(str(tmp_path / "b.hepmc3"), "w") as copy:
        for event in source:
            copy.write(event)
    same(events, read(tmp_path / "b.hepmc3"), rtol=1e-15)


def test_fluxes_keep_their_digits(tmp_path, events) -> None:
    """A vector attribute of the HepMC3 library would be written with six decimals: 1e-11 becomes 0."""
    run = _events(events.save(tmp_path / "a.hepmc3"))[0].run_info
    content = run.attributes["NuHepMC.Beam[14].Histogram.BinContent"].astype(list[float])
    np.testing.assert_array_equal(content, events.header.flux[14]["content"])
    assert run.attributes["NuHepMC.Provenance.Card"].astype(str) == events.header.card


def test_antiparticles_have_negative_codes(tmp_path, events) -> None:
    for event in _events(events.save(tmp_path / "a.hepmc3")):
        codes = {particle.pid for particle in event.particles}
        assert (14 in codes) == (5914 in codes)
        assert (-14 in codes) == (-5914 in codes)


def test_remnant_tells_its_nucleus(tmp_path, events) -> None:
    event = _events(events.select("nucleon_zprime_ee").save(tmp_path / "a.hepmc3"))[0]
    remnant = next(p for p in event.particles if p.pid == 2009900000)
    assert remnant.attributes["remnant_particle_number"].astype(int) == 1000170390
    assert [p.pid for p in event.vertices[0].particles_out] == [2212, 2009900000]


def test_event_numbers_fit_and_ids_are_whole(tmp_path, make_events, same) -> None:
    events = make_events(4, 2, first_id=2**63 + 1)
    path = events.save(tmp_path / "a.hepmc3")
    assert [event.event_number for event in _events(path)] == list(range(6))
    same(events, read(path), rtol=4e-16)


def test_no_events_is_a_file_too(tmp_path, make_events, same) -> None:
    events = make_events(0, 0)
    same(events, read(events.save(tmp_path / "a.hepmc3")))


def test_flux_average_against_quadrature(events) -> None:
    from scipy.integrate import quad

    from darkhorn.generator.files.cross_sections import event_cross_sections, flux_averaged_total

    flux, header = events.header.flux[14], events.header
    total = 0.0
    for channel, fraction in zip(header.channels, (0.6, 0.4, 0.6), strict=True):
        table = header.cross_sections[channel["name"]]
        for low, high, content in zip(flux["edges_GeV"][:-1], flux["edges_GeV"][1:], flux["content"], strict=True):
            sigma = quad(lambda e, t=table: np.interp(e, t["energy_GeV"], t["xsec_1e38cm2"]), low, high, limit=200)[0]
            total += fraction * content * sigma / (high - low)
    expected = total / flux["content"].sum() * 1e-2  # 1e-38 cm2 in pb
    assert flux_averaged_total(header) == pytest.approx(expected, rel=2e-4, abs=0)
    assert flux_averaged_total(header.replace(flux={})) is None
    assert flux_averaged_total(header.replace(cross_sections={})) is None
    tot, proc = event_cross_sections(header, np.array([0, 1, 2]), np.array([1.0, 1.0, 1.0]))
    sigma = 1e-5 * np.array([1.0, 2.0, 3.0])  # pb at 1 GeV, by linear interpolation of E^2 near a grid point
    np.testing.assert_allclose(tot, [sigma[0] + sigma[2], sigma[1], sigma[0] + sigma[2]], rtol=1e-12)
    np.testing.assert_allclose(proc, sigma, rtol=1e-12)


@pytest.mark.parametrize("text", ["", "a\\b", "two\nlines\\n", "\\|", "\\\\\n|"])
def test_escapes(text) -> None:
    assert "\n" not in escape(text)
    assert unescape(escape(text)) == text


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def _replace(old, new):
    def change(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "truncated|unreadable event"),
        (_replace("END_EVENT", "XXX"), "truncated"),
        (lambda p: p.write_text("nonsense"), "not a HepMC3"),
        (_replace("darkhorn.Header", "other.Header"), "another program"),
        (_replace('"schema_version": "1.0.0"', '"schema_version": "3.0.0"'), "pip install -U"),
        (_replace("U GEV CM", "U MEV MM"), "units MEV MM"),
        (_replace("A 0 darkhorn.Topology nucleon_zprime_ee", "A 0 darkhorn.Topology x"), "unknown topology"),
        (_replace("A 0 darkhorn.EventId 8589934600\n", ""), "unreadable event"),
        (_replace('"nucleon_zprime_ee": 50', '"nucleon_zprime_ee": 51'), "were announced"),
        (lambda p: p.unlink(), "no such file"),
    ],
)
def test_damaged_files_say_what_is_wrong(tmp_path, events, damage, message) -> None:
    path = events.save(tmp_path / "a.hepmc3")
    damage(path)
    with pytest.raises(InputError, match=message):
        read(path)


def test_truncated_gzip(tmp_path, events) -> None:
    path = events.save(tmp_path / "a.hepmc3.gz")
    _cut(path)
    with pytest.raises(InputError, match="truncated"):
        read(path)
    path.write_bytes(gzip.compress(b"nonsense"))
    with pytest.raises(InputError, match="not a HepMC3"):
        read(path)


def test_output_is_safe(tmp_path, events, monkeypatch) -> None:
    path = events.save(tmp_path / "a.hepmc3")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        events.save(path)

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("darkhorn.generator.files.hepmc3.write_stream", full)
    with pytest.raises(OutputError, match="no space left"):
        events.save(path, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.hepmc3"]
