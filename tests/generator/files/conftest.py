"""A sample of events with exact kinematics, made with numpy alone: the truth for writers, readers and checks."""

from collections.abc import Callable

import numpy as np
import pytest

from darkhorn.generator.events import Events
from darkhorn.generator.header import Header
from darkhorn.generator.processes.dark_neutrino_topologies import NUCLEON_ZPRIME_EE, WHOLE_TARGET_ZPRIME_EE
from darkhorn.generator.record import REMNANT_PDG

M_N4, M_ZPRIME, M_E, M_P = 0.106, 0.030, 0.000510998950, 0.93827208816
M_AR, M_C = 37.215523, 11.177929
C_CM_PER_NS = 29.9792458


def boost(p, frame):
    """Rest-frame four-vectors p (n,4), with E first, into the lab where the frame has four-momentum `frame` (n,4)."""
    m = np.sqrt(frame[:, 0] ** 2 - (frame[:, 1:] ** 2).sum(1))
    along = (p[:, 1:] * frame[:, 1:]).sum(1)
    e = (p[:, 0] * frame[:, 0] + along) / m
    k = (p[:, 0] + e) / (frame[:, 0] + m)
    return np.column_stack([e, p[:, 1:] + frame[:, 1:] * k[:, None]])


def two_body(rng, frame, m1, m2):
    """Isotropic decay of `frame` into masses m1 and m2."""
    s = frame[:, 0] ** 2 - (frame[:, 1:] ** 2).sum(1)
    m = np.sqrt(s)
    k = np.sqrt((s - (m1 + m2) ** 2) * (s - (m1 - m2) ** 2)) / (2 * m)
    n = len(frame)
    cos, phi = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    sin = np.sqrt(1 - cos**2)
    p = k[:, None] * np.column_stack([sin * np.cos(phi), sin * np.sin(phi), cos])
    one = np.column_stack([np.sqrt(k**2 + m1**2), p])
    two = np.column_stack([np.sqrt(k**2 + m2**2), -p])
    return boost(one, frame), boost(two, frame)


def _store(columns, role, p):
    for i, component in enumerate(("e", "px", "py", "pz")):
        columns[f"{role}_{component}"] = np.ascontiguousarray(p[:, i])


def _sample(rng, n, nucleon, first_id):
    columns = {
        "event_id": np.uint64(first_id) + np.arange(n, dtype="u8"),
        "process_id": np.full(n, 751 if nucleon else 750, "i2"),
        "channel": np.full(n, 2 if nucleon else 0, "i2"),
        "target_pdg": np.full(n, 1000180400, "i4"),
        "region": rng.integers(0, 2, n).astype("i1"),
    }
    anti = rng.uniform(size=n) < 0.3
    sign = np.where(anti, -1, 1)
    m_target = np.full(n, M_AR)
    if not nucleon:
        carbon = rng.uniform(size=n) < 0.4
        m_target = np.where(carbon, M_C, M_AR)
        columns["target_pdg"] = np.where(carbon, 1000060120, 1000180400).astype("i4")
        columns["channel"] = np.where(carbon, 1, 0).astype("i2")
    energy = rng.uniform(0.5, 3.0, n)
    angle = rng.normal(0, 0.01, (n, 2))
    direction = np.column_stack([angle, np.sqrt(1 - (angle**2).sum(1))])
    nu = np.column_stack([energy, energy[:, None] * direction])
    target = np.column_stack([m_target, np.zeros((n, 3))])
    columns["nu_pdg"] = (14 * sign).astype("i4")
    _store(columns, "nu", nu)
    columns["target_mass"] = m_target
    if nucleon:
        fermi = rng.normal(0, 0.1, (n, 3))
        remnant_mass = M_AR - M_P + 0.03
        remnant = np.column_stack([np.sqrt(remnant_mass**2 + (fermi**2).sum(1)), -fermi])
        struck = target - remnant
        columns["struck_mass"] = np.sqrt(struck[:, 0] ** 2 - (struck[:, 1:] ** 2).sum(1))
        columns["struck_pdg"] = np.full(n, 2212, "i4")
        columns["remnant_mass"] = np.full(n, remnant_mass)
        _store(columns, "remnant", remnant)
        _store(columns, "struck", struck)
        n4, recoil = two_body(rng, nu + struck, M_N4, M_P)
        recoil_mass, recoil_pdg = np.full(n, M_P), np.full(n, 2212, "i4")
    else:
        n4, recoil = two_body(rng, nu + target, M_N4, m_target)
        recoil_mass, recoil_pdg = m_target.copy(), columns["target_pdg"].copy()
    columns |= {"target_pdg": columns["target_pdg"], "recoil_mass": recoil_mass, "recoil_pdg": recoil_pdg}
    nu_out, zprime = two_body(rng, n4, 0.0, M_ZPRIME)
    em, ep = two_body(rng, zprime, M_E, M_E)
    columns |= {"n4_pdg": (5914 * sign).astype("i4"), "nu_out_pdg": (14 * sign).astype("i4")}
    columns["zprime_pdg"] = np.full(n, 5921, "i4")
    for role, p in (("n4", n4), ("recoil", recoil), ("nu_out", nu_out), ("zprime", zprime), ("em", em), ("ep", ep)):
        _store(columns, role, p)
    start = rng.uniform(-100, 100, (n, 3))
    t0 = rng.uniform(0, 1600, n)
    length = rng.exponential(300, n)
    velocity = n4[:, 1:] / n4[:, :1]
    flight = length / (np.sqrt((velocity**2).sum(1)) * C_CM_PER_NS)
    end = start + velocity * (flight * C_CM_PER_NS)[:, None]
    for i, axis in enumerate("xyz"):
        columns[f"scatter_{axis}"] = np.ascontiguousarray(start[:, i])
        columns[f"decay_{axis}"] = np.ascontiguousarray(end[:, i])
    columns |= {"scatter_t": t0, "decay_t": t0 + flight}
    columns |= {"w_flux": rng.exponential(2e-11, n), "w_cross_section": rng.exponential(0.3, n)}
    columns |= {"w_decay": rng.uniform(0, 1, n), "w_exposure": np.full(n, 3e9)}
    columns["weight"] = columns["w_flux"] * columns["w_cross_section"] * columns["w_decay"] * columns["w_exposure"]
    columns["helicity"] = np.where(rng.uniform(size=n) < 0.5, 1, -1).astype("i1")
    return columns


def build(n_whole=120, n_nucleon=50, seed=1, first_id=2**33, shard=0, n_shards=1, n_total=None):
    """Events of both topologies; ids beyond 32 bits on purpose."""
    rng = np.random.default_rng(seed)
    topologies = {
        "whole_target_zprime_ee": _sample(rng, n_whole, False, first_id),
        "nucleon_zprime_ee": _sample(rng, n_nucleon, True, first_id + n_whole),
    }
    grid = np.linspace(0.1, 4.0, 40)
    edges = np.linspace(0.0, 4.0, 21)
    content = 1e-11 * np.exp(-edges[:-1])
    channels = []
    for index, (name, pdg, process) in enumerate(
        [
            ("numu-Ar40-coherent", 1000180400, 750),
            ("numu-C12-coherent", 1000060120, 750),
            ("numu-Ar40-p", 1000180400, 751),
        ]
    ):
        w = np.concatenate([c["weight"][c["channel"] == index] for c in topologies.values()])
        channels.append(
            {
                "index": index,
                "name": name,
                "process_id": process,
                "projectile_pdg": 14,
                "target_pdg": pdg,
                "regime": "coherent" if process == 750 else "p-elastic",
                "helicity": "conserving",
                "region": "tpc",
                "n_total": len(w),
                "sum_w": float(w.sum()),
                "sum_w2": float((w**2).sum()),
                "attempted": 2 * len(w),
                "kept": len(w),
                "max_weight": float(w.max(initial=0)),
                "overweight_fraction": 0.0,
                "rate": float(w.sum()),
                "rate_error": 0.01 * float(w.sum()),
                "xsec_table": name,
                "target_fraction": 0.6 if pdg == 1000180400 else 0.4,
            }
        )
    header = Header.new(
        versions={"python": "3.11", "jax": "0.10.1", "jaxlib": "0.10.1", "numpy": "2", "h5py": "3"},
        created_utc="2026-01-01T00:00:00+00:00",
        hostname="host",
        device="cpu",
        seed=7,
        shard=shard,
        n_shards=n_shards,
        n_total=n_whole + n_nucleon if n_total is None else n_total,
        n_events=n_whole + n_nucleon,
        pot=6.87e20 / n_shards,
        complete=True,
        card="schema: 1\nmodel: {m4: 106 MeV}  # a 'comment' with \\ and \"quotes\"\n",
        card_resolved={"schema": 1, "model": {"m4": "0.106 GeV"}},
        plan={"hash": "abc", "maps": [0.1, 0.2]},
        masses={"n4": M_N4, "zprime": M_ZPRIME, "electron": M_E, "neutrino": 0.0},
        particles=[
            {"pdg": 5914, "name": "N4", "mass": M_N4, "charge": 0.0, "width": 1e-16, "two_spin": 1, "role": "n4",
             "description": "heavy neutral lepton"},
            {"pdg": -5914, "name": "N4~", "mass": M_N4, "charge": 0.0, "width": 1e-16, "two_spin": 1, "role": "n4",
             "description": "heavy neutral antilepton"},
            {"pdg": 5921, "name": "Zprime", "mass": M_ZPRIME, "charge": 0.0, "width": 1e-9, "two_spin": 2,
             "role": "zprime", "description": "dark photon"},
            {"pdg": REMNANT_PDG, "name": "remnant", "mass": 36.3, "charge": 0.0, "width": 0.0, "two_spin": 0,
             "role": "remnant", "description": "what is left of the nucleus"},
        ],
        processes=[
            {"id": 750, "name": "coherent upscattering", "description": "nu A -> N A", "arxiv": "1807.09877"},
            {"id": 751, "name": "proton-elastic upscattering", "description": "nu p -> N p", "arxiv": "1807.09877"},
        ],
        channels=channels,
        regions=["tpc", "soil"],
        flux={14: {"edges_GeV": edges, "content": content}, -14: {"edges_GeV": edges, "content": 0.1 * content}},
        cross_sections={
            c["name"]: {"energy_GeV": grid, "xsec_1e38cm2": (1 + n) * 1e-3 * grid**2} for n, c in enumerate(channels)
        },
        citations=[{"key": "nuhepmc", "arxiv": "2310.13211", "doi": "", "title": "NuHepMC", "bibtex": "@article{x}"}],
        detector={"name": "microboone", "origin_cm": [0, 0, 47000]},
        topologies=[WHOLE_TARGET_ZPRIME_EE, NUCLEON_ZPRIME_EE],
    )  # fmt: skip
    return Events(header, topologies)


@pytest.fixture
def make_events() -> Callable[..., Events]:
    return build


@pytest.fixture
def events() -> Events:
    return build()


@pytest.fixture
def same() -> Callable[..., None]:
    """Compare two `Events` column by column."""

    def check(a: Events, b: Events, rtol: float = 0.0) -> None:
        assert set(a.topologies) == set(b.topologies)
        for name, columns in a.topologies.items():
            assert set(columns) == set(b.topologies[name])
            for column, values in columns.items():
                other = np.asarray(b.topologies[name][column])
                assert other.dtype == values.dtype, column
                if values.dtype.kind == "f" and rtol:
                    np.testing.assert_allclose(other, values, rtol=rtol, atol=0, err_msg=column)
                else:
                    np.testing.assert_array_equal(other, values, err_msg=column)
        assert a.header.to_json() == b.header.to_json()

    return check
