"""Events against their record: momentum at every vertex, mass shells, factors of the weight."""

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import Events

LIGHT = 29.9792458  # cm/ns


def momenta(events: Events, topology: str) -> dict[str, NDArray[np.float64]]:
    """Four-momenta (n, 4) of every role, GeV."""
    record = events.header.topology(topology)
    return {p.role: np.stack(events.four_momentum(topology, p.role), axis=1) for p in record.particles}


def check_record(events: Events, masses: dict[str, float]) -> None:
    """Momentum at every vertex, mass shells, factors, finite numbers, and the second flight, in every topology."""
    for topology, table in events.topologies.items():
        record, p = events.header.topology(topology), momenta(events, topology)
        for vertex in range(len(record.vertices)):
            into = sum(p[q.role] for q in record.particles if q.ends == vertex)
            out = sum(p[q.role] for q in record.particles if q.produced == vertex)
            largest = np.max([p[q.role][:, 0] for q in record.particles if vertex in (q.ends, q.produced)], axis=0)
            assert np.max(np.abs(into - out) / largest[:, None]) < 1e-10, (topology, vertex)
        for role in p.keys() & masses.keys():
            shell = p[role][:, 0] ** 2 - np.sum(p[role][:, 1:] ** 2, axis=1)
            assert np.max(np.abs(shell - masses[role] ** 2) / p[role][:, 0] ** 2) < 1e-10, (topology, role)
        factors = np.prod([table[c] for c in table if c.startswith("w_")], axis=0)
        np.testing.assert_allclose(factors, table["weight"], rtol=1e-12)
        assert all(np.isfinite(column).all() for column in table.values())
        if "decay2_x" in table:
            way = np.stack([table[f"decay2_{a}"] - table[f"decay_{a}"] for a in "xyz"], axis=1)
            length, size = np.linalg.norm(way, axis=1), np.linalg.norm(p["n5"][:, 1:], axis=1)
            assert np.max(np.abs(way - p["n5"][:, 1:] * (length / size)[:, None])) < 1e-7
            taken = table["decay2_t"] - table["decay_t"]
            np.testing.assert_allclose(taken, length * p["n5"][:, 0] / size / LIGHT, rtol=1e-6, atol=1e-8)
