"""Accept-reject keeps the expected number of events, and says what it could not flatten."""

import numpy as np
import pytest

from darkhorn.generator.files.read import read
from darkhorn.generator.files.unweight import unweight
from darkhorn.generator.files.validate import validate
from darkhorn.kernels.errors import InputError, OutputError


@pytest.fixture
def source(tmp_path, make_events):
    return make_events(4000, 2000).save(tmp_path / "a.h5")


def test_unit_weights_and_the_same_rate(tmp_path, source, monkeypatch) -> None:
    monkeypatch.setattr("darkhorn.generator.events.Events.chunks.__defaults__", (97,))
    report = unweight(source, tmp_path / "b.h5", seed=3)
    before, after = read(source), read(tmp_path / "b.h5")
    assert np.all(after["weight"] == 1.0)
    assert report["kept"] == len(after) == after.header.n_events
    assert report["overweight_fraction"] == 0.0
    assert after.header.unweighted
    # Expected number accepted: sum w / max, with a variance of sum p (1 - p).
    p = before["weight"] / before["weight"].max()
    assert abs(len(after) - p.sum()) < 5 * np.sqrt((p * (1 - p)).sum())
    rate_before, rate_after = before.sum_w / before.header.pot, after.sum_w / after.header.pot
    assert rate_after / rate_before == pytest.approx(len(after) / p.sum(), rel=1e-12)
    assert report["efficiency"] == len(after) / 6000
    assert validate(tmp_path / "b.h5").ok, str(validate(tmp_path / "b.h5"))
    # Every kept event is one of the source, whole.
    rows = np.searchsorted(before["event_id"], after["event_id"])
    np.testing.assert_array_equal(before["em_px"][rows], after["em_px"])


def test_a_lower_maximum_leaves_overweight_events(tmp_path, source) -> None:
    before = read(source)
    top = float(np.quantile(before["weight"], 0.99))
    report = unweight(source, tmp_path / "b.h5", seed=3, max_weight=top)
    after = read(tmp_path / "b.h5")
    over = before["weight"] > top
    assert np.count_nonzero(after["weight"] > 1.0) == np.count_nonzero(over)
    assert report["overweight_fraction"] == np.count_nonzero(over) / len(after)
    np.testing.assert_allclose(np.sort(after["weight"])[-over.sum() :], np.sort(before["weight"][over]) / top)
    assert after.sum_w / after.header.pot * before.header.pot / before.sum_w == pytest.approx(1.0, rel=0.2)
    assert validate(tmp_path / "b.h5").ok


def test_a_number_of_events(tmp_path, source, monkeypatch) -> None:
    monkeypatch.setattr("darkhorn.generator.events.Events.chunks.__defaults__", (1000,))
    every = unweight(source, tmp_path / "b.h5", seed=3)
    some = unweight(source, tmp_path / "c.h5", seed=3, n=50)
    a, b = read(tmp_path / "b.h5"), read(tmp_path / "c.h5")
    assert len(b) == 50
    assert set(b["event_id"]) < set(a["event_id"])
    assert len(set(b["event_id"])) == 50
    assert min(b.rows().values()) > 0
    assert some["pot"] == pytest.approx(every["pot"] * 50 / every["kept"])
    with pytest.raises(InputError, match=str(every["kept"])):
        unweight(source, tmp_path / "d.h5", seed=3, n=every["kept"] + 1)


def test_seeds(tmp_path, source) -> None:
    for name, seed in (("b", 3), ("c", 3), ("d", 4)):
        unweight(source, tmp_path / f"{name}.h5", seed=seed)
    b, c, d = (read(tmp_path / f"{name}.h5")["event_id"] for name in "bcd")
    np.testing.assert_array_equal(b, c)
    assert set(b) != set(d)


def test_acceptance_follows_the_weight(tmp_path, make_events) -> None:
    """Of equal numbers of events of weight 1 and 1/4 the second are accepted four times less often."""
    events = make_events(8000, 0)
    columns = events.topologies["whole_target_zprime_ee"]
    columns["weight"] = np.where(np.arange(8000) % 2, 1.0, 0.25)
    unweight(events.save(tmp_path / "a.h5"), tmp_path / "b.h5", seed=1)
    odd = (read(tmp_path / "b.h5")["event_id"] - columns["event_id"][0]) % 2
    assert np.count_nonzero(odd) == 4000
    assert abs(np.count_nonzero(odd == 0) - 1000) < 5 * np.sqrt(4000 * 0.25 * 0.75)


def test_text_output(tmp_path, source) -> None:
    unweight(source, tmp_path / "b.hepmc3", seed=3)
    unweight(source, tmp_path / "b.h5", seed=3)
    np.testing.assert_array_equal(read(tmp_path / "b.hepmc3")["event_id"], read(tmp_path / "b.h5")["event_id"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "b.h5", "b.hepmc3"]


@pytest.mark.parametrize(("weight", "message"), [(-1.0, "negative"), (np.nan, "not finite"), (0.0, "above 0")])
def test_weights_that_cannot_be_used(tmp_path, make_events, weight, message) -> None:
    events = make_events(5, 5)
    for columns in events.topologies.values():
        columns["weight"][:] = weight
    with pytest.raises(InputError, match=message):
        unweight(events.save(tmp_path / "a.h5"), tmp_path / "b.h5", seed=1)
    assert len(list(tmp_path.iterdir())) == 1


def test_output_in_the_way(tmp_path, source) -> None:
    with pytest.raises(OutputError, match="--overwrite"):
        unweight(source, source, seed=1)
