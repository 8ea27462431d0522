"""`Events`: sums, selection, conversion to tables."""

import builtins
import importlib.util
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from darkhorn.generator.events import Events
from darkhorn.kernels.errors import InputError

_spec = importlib.util.spec_from_file_location("sample", Path(__file__).parent / "files" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_sample = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_sample)


@pytest.fixture
def events() -> Events:
    return _sample.build()


def test_sums(events) -> None:
    weights = np.concatenate([c["weight"] for c in events.topologies.values()])
    assert len(events) == 170
    assert events.sum_w == pytest.approx(weights.sum(), rel=1e-14)
    assert events.sum_w_error == pytest.approx(np.sqrt((weights**2).sum()), rel=1e-14)
    assert events.ess == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-14)
    assert Events(events.header, {}).ess == 0.0


def test_equal_weights_have_full_size(events) -> None:
    for columns in events.topologies.values():
        columns["weight"] = np.full(len(columns["weight"]), 0.25)
    assert events.ess == pytest.approx(170)
    assert events.sum_w_error == pytest.approx(0.25 * np.sqrt(170))


def test_columns(events) -> None:
    assert len(events["weight"]) == 170
    assert "struck_px" not in events.columns
    with pytest.raises(InputError, match="select"):
        events["struck_px"]
    with pytest.raises(InputError, match="Did you mean"):
        events["weigth"]
    one = events.select("nucleon_zprime_ee")
    assert len(one) == len(one["struck_px"]) == one.header.n_events == 50
    with pytest.raises(InputError, match="topology"):
        events.select("x")


def test_pandas(events) -> None:
    frame = events.to_pandas()
    assert len(frame) == 170
    assert frame["weight"].sum() == pytest.approx(events.sum_w)
    assert frame["event_id"].dtype == np.uint64
    assert frame["struck_px"].isna().sum() == 120
    assert (frame["topology"] == "nucleon_zprime_ee").sum() == 50


def test_awkward(events) -> None:
    array = events.to_awkward()
    assert len(array) == 170
    assert ak.parameters(array.em)["__record__"] == "Momentum4D"
    np.testing.assert_array_equal(ak.to_numpy(array.em.E), events["em_e"])
    np.testing.assert_array_equal(ak.to_numpy(array.target.E), events["target_mass"])
    assert ak.to_list(ak.is_none(array.struck)) == [True] * 120 + [False] * 50
    np.testing.assert_array_equal(ak.to_numpy(array.decay.t), events["decay_t"])
    np.testing.assert_array_equal(ak.to_numpy(array.event_id), events["event_id"])
    mass2 = array.em.E**2 - array.em.px**2 - array.em.py**2 - array.em.pz**2
    np.testing.assert_allclose(ak.to_numpy(mass2), _sample.M_E**2, atol=1e-12)
    assert ak.to_list(array.ep.pdg) == [-11] * 170
    single = events.select("nucleon_zprime_ee").to_awkward()
    assert ak.to_list(single.topology) == ["nucleon_zprime_ee"] * 50


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("awkward", "to_awkward")])
def test_missing_package_names_the_extra(events, monkeypatch, package, method) -> None:
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == package:
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"darkhorn\[analysis\]"):
        getattr(events, method)()


def test_repr_says_what_it_is(events) -> None:
    text = repr(events)
    assert "170 weighted events for 6.87e+20 POT" in text
    assert "nucleon_zprime_ee: 50 events" in text


def test_unknown_ending(events, tmp_path) -> None:
    with pytest.raises(InputError, match=r"\.hepmc3"):
        events.save(tmp_path / "a.xyz")


def test_no_jax() -> None:
    import subprocess
    import sys

    code = (
        "import sys, darkhorn.generator.events, darkhorn.generator.files.convert, darkhorn.generator.files.merge,"
        "darkhorn.generator.files.validate, darkhorn.generator.files.info, darkhorn.generator.files.unweight,"
        "darkhorn.generator.citations; sys.exit('jax' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
