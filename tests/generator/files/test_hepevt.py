"""HEPEVT text read by a plain parser, as the detector simulations read it."""

import json

import numpy as np
import pytest

from darkhorn.generator.files.hepevt import known_to_geant4
from darkhorn.kernels.errors import OutputError


def _larsoft(text):
    """[(number, [line of 15 numbers])], word by word as a stream would be read."""
    lines = iter(text.splitlines())
    found = []
    for head in lines:
        number, count = map(int, head.split())
        found.append((number, [[float(word) for word in next(lines).split()] for _ in range(count)]))
    return found


def _edep(text):
    """{event: [(vertex, (x, y, z, t), [line of 11 numbers])]}."""
    lines = iter(text.splitlines())
    found: dict = {}
    for head in lines:
        words = head.split()
        assert len(words) == 7
        event, vertex, count = map(int, words[:3])
        rows = [[float(word) for word in next(lines).split()] for _ in range(count)]
        found.setdefault(event, []).append((vertex, tuple(map(float, words[3:])), rows))
    return found


def _truth(events):
    """(topology, columns, row) in the order of the file."""
    for name, columns in events.topologies.items():
        for i in range(len(columns["event_id"])):
            yield events.header.topology(name), columns, i


def test_larsoft(tmp_path, events) -> None:
    text = events.save(tmp_path / "a.hepevt").read_text()
    found = _larsoft(text)
    assert [number for number, _ in found] == list(range(len(events)))
    for (_, lines), (topology, columns, i) in zip(found, _truth(events), strict=True):
        assert all(len(line) == 15 for line in lines)
        assert len(lines) == len(topology.particles)
        for line, particle in zip(lines, topology.particles, strict=True):
            pdg = particle.pdg if particle.pdg is not None else columns[f"{particle.role}_pdg"][i]
            assert line[1] == pdg
            assert line[0] == (1 if particle.status == 1 and pdg != 2009900000 else 3)
            if not particle.at_rest:
                assert line[6:10] == [columns[f"{particle.role}_{c}"][i] for c in ("px", "py", "pz", "e")]
            vertex = topology.vertices[particle.ends if particle.produced is None else particle.produced].position
            assert line[11:] == [columns[f"{vertex}_{axis}"][i] for axis in "xyzt"]
            for mother in (int(m) for m in line[2:4] if m):
                assert topology.particles[mother - 1].ends == particle.produced
            if particle.ends is not None:
                first, last = (int(d) for d in line[4:6])
                assert [p.produced for p in topology.particles[first - 1 : last]] == [particle.ends] * (
                    last - first + 1
                )
        tracked = [line for line in lines if line[0] == 1]
        assert {abs(line[1]) for line in tracked} <= {11, 14, 2212, 1000180400, 1000060120}


def test_edep_sim(tmp_path, events) -> None:
    found = _edep(events.save(tmp_path / "a.edep.hepevt").read_text())
    assert list(found) == list(range(len(events)))
    for blocks, (_, columns, i) in zip(found.values(), _truth(events), strict=True):
        assert [vertex for vertex, _, _ in blocks] == [0, 1]
        assert blocks[0][1] == tuple(columns[f"scatter_{a}"][i] for a in "xyzt")
        assert blocks[1][1] == tuple(columns[f"decay_{a}"][i] for a in "xyzt")
        roles = [["recoil"], ["nu_out", "em", "ep"]]
        for (_, _, rows), expected in zip(blocks, roles, strict=True):
            assert len(rows) == len(expected)
            for row, role in zip(rows, expected, strict=True):
                assert len(row) == 11
                assert row[0] == 1
                assert row[6:10] == [columns[f"{role}_{c}"][i] for c in ("px", "py", "pz", "e")]


def test_sidecar_keeps_what_the_text_loses(tmp_path, events) -> None:
    events.save(tmp_path / "a.hepevt")
    notes = json.loads((tmp_path / "a.hepevt.json").read_text())
    np.testing.assert_array_equal(notes["weight"], events["weight"])
    np.testing.assert_array_equal(np.array(notes["event_id"], dtype="u8"), events["event_id"])
    np.testing.assert_array_equal(notes["w_flux"], events["w_flux"])
    assert notes["pot"] == events.header.pot
    assert notes["pot_per_event"] == events.header.pot / 170
    assert notes["header"]["card"] == events.header.card


def test_particles_of_geant4() -> None:
    codes = np.array([11, -13, 22, 1000180400, 5914, 5921, 2009900000, -5914, 2212])
    assert known_to_geant4(codes).tolist() == [True, True, True, True, False, False, False, False, True]


def test_neither_file_is_overwritten(tmp_path, events) -> None:
    (tmp_path / "a.hepevt.json").write_text("mine")
    with pytest.raises(OutputError, match=r"a\.hepevt\.json"):
        events.save(tmp_path / "a.hepevt")
    assert (tmp_path / "a.hepevt.json").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1
