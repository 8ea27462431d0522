"""A whole beam: species and generations of particles in batches, and the flux of their neutrinos at a detector."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.charged_daughters import daughters_of
from darkhorn.fluxes.decay_line import CTAU_CM, MASS
from darkhorn.fluxes.hadron_cross_sections import MASSES
from darkhorn.fluxes.neutrino_spectra import emissions
from darkhorn.generator.beams.in_walls import at_wall, kaons_at_rest, muons_in_walls, passages, pions_at_rest
from darkhorn.generator.beams.propagate import CTAU, Outcome, Place, Start, medium, propagate, skin_depth
from darkhorn.generator.beams.rays import (
    KAON,
    NUCLEON,
    ORIGINS,
    PRIMARY,
    STOPPED,
    TERTIARY,
    Rays,
    daughters,
    pions_of_short_kaons,
    rays_of,
    stopped_kaons,
    walls,
)
from darkhorn.generator.beams.sources import Sources, hadrons_of, one_of, pions_of_pions
from darkhorn.generator.beams.windows import Window, point_in, window
from darkhorn.generator.streams import channel_key, split_index, uniforms
from darkhorn.geometry.beamlines import Beamline
from darkhorn.geometry.beams import BEAMLINES
from darkhorn.geometry.horns import ideal
from darkhorn.kernels.constants import MASS_MUON
from darkhorn.kernels.errors import InputError, did_you_mean
from darkhorn.kernels.kinematics import Vector, four
from darkhorn.kernels.location import muon_decay_factor, muon_spin_cosine, seen_from
from darkhorn.kernels.sampling import table_lookup

Array = NDArray[np.float64]
MODES = ("neutrino", "antineutrino")
BATCH = 1 << 13  # particles; fewer if fewer are asked for
NUCLEONS = (2212, 2112)
EDGES: Array = 0.05 * np.arange(201, dtype=np.float64)  # GeV
NUMI_EDGES: Array = 0.05 * np.arange(801, dtype=np.float64)
# K+ that come to rest in the hadron absorber of NuMI, per proton on target: Spitz, Phys. Rev. D 89 (2014) 073007; other
# simulations spread by a factor 2 about it
STOPPED_KAONS = 0.085


@dataclass(frozen=True)
class Batch:
    """Rays of one species. The weights of a round of batches add up to decays per proton on target.

    pdg      of the particle that decays
    origin   an index into `rays.ORIGINS`
    label    how it was made; number: of the batch with that label
    before   for muons, the PDG code of the meson that made them; else 0
    """

    pdg: int
    origin: int
    label: str
    number: int
    rays: Rays
    before: int = 0


class BeamSimulation:
    """One beam in one mode ("neutrino", "antineutrino", "off"). Batches of rays come from `batches`.

    secondaries: leading nucleons and one re-interaction of pions; batch: particles per batch; stopped: K+ at rest in
    the absorber per proton on target, for beams with one. Random numbers are a function of seed, species and the index
    of the particle.
    """

    def __init__(
        self, beam: Beamline, mode: str, secondaries: bool = True, batch: int = BATCH, stopped: float = STOPPED_KAONS
    ) -> None:
        self.beam, self.mode, self.secondaries, self.batch, self.stopped = beam, mode, secondaries, batch, stopped
        self.sources = Sources(beam, mode)
        self.hadrons = hadrons_of(beam)
        self._media = {pdg: medium(beam, pdg, mode) for pdg in (*self.hadrons.production, *NUCLEONS)}
        self._walls = walls(beam.decay_region)
        self._muons, self._pions = passages(13), passages(211)
        self._skin = skin_depth(beam)

    def batches(self, seed: int, number: int) -> Iterator[Batch]:
        """Rays of round `number` (0, 1, ...): batches of every component."""
        shares = self.hadrons.shares
        many = max(shares.values())
        protons = [self._protons(seed, number * many + part) for part in range(many)]  # shared by the species
        for pdg, share in shares.items():
            for part in range(share):
                yield from self._primary(pdg, protons[part], seed, number * share + part)
        yield from self._short_kaons(protons[0], seed, number)
        if self.secondaries:
            yield from self._nucleons(protons[0], seed, number)
        if self.beam.absorber is not None and self.stopped > 0:
            at_rest = stopped_kaons(self.stopped, self.beam.absorber, 2 * self.batch)  # as many as other rays
            yield Batch(321, STOPPED, f"{self.beam.name}/absorber/321", number, at_rest)

    def _numbers(self, label: str, seed: int, number: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        low, high = split_index(np.arange(number * self.batch, (number + 1) * self.batch))
        return jnp.asarray(channel_key(seed, label)), jnp.asarray(low), jnp.asarray(high)

    def _carry(self, pdg: int, start: Start, at: tuple[jax.Array, jax.Array, jax.Array]) -> Outcome:
        outcome: Outcome = propagate(start, self._media[pdg], *at, self._skin)
        return outcome

    def _decays(
        self, pdg: int, origin: int, outcome: Outcome, extrapolated: jax.Array, label: str, seed: int, number: int
    ) -> Iterator[Batch]:
        """Rays of a species and of its daughters that decay to neutrinos."""
        at = self._numbers(label + "/decay", seed, number)
        mass, ctau = jnp.asarray(MASSES[pdg]), jnp.asarray(CTAU[pdg])
        rays = rays_of(outcome, extrapolated, mass, ctau, self._walls, *at)
        yield Batch(pdg, origin, label, number, rays)
        if pdg == 130:
            return
        sign = 1 if pdg > 0 else -1
        low, high = split_index(np.arange(2 * number * self.batch, 2 * (number + 1) * self.batch))
        twice = jnp.asarray(low), jnp.asarray(high)
        for made in daughters_of(abs(pdg)):
            kind = made.pdg * sign
            tag = f"{label}/{made.name}"
            key = jnp.asarray(channel_key(seed, tag))
            muon = abs(kind) == 13
            numbers = (
                made.number,
                mass,
                MASS[abs(kind)],
                made.momentum,
                CTAU_CM[abs(kind)],
                np.inf if muon else self._walls.gas,
            )
            remember = jnp.asarray(float(made.polarised))
            found, born = daughters(rays, *map(jnp.asarray, numbers), self._walls, key, *twice, remember)
            parent = pdg if made.polarised else 0
            yield Batch(kind, origin if muon else KAON, tag, number, found, parent)
            if muon:
                yield from self._in_walls(kind, origin, found, born, tag, seed, number, twice, parent, mass)
        ends = outcome, extrapolated, mass, ctau, self._walls.gas
        if pdg == 211:  # not pi-, which a nucleus takes
            resting = pions_at_rest(*ends, self._pions, self._walls)
            yield Batch(211, STOPPED, label + "/rest", number, resting)
            yield Batch(-13, STOPPED, label + "/rest/muon", number, resting)
        if pdg == 321:  # not K-
            at = self._numbers(label + "/rest", seed, number)
            resting = kaons_at_rest(*ends, self._walls, *at)
            if self.beam.absorber is not None:  # those of the absorber come as a number per proton
                kept = jnp.where(resting.z < self.beam.absorber - 1, resting.weight, 0.0)
                resting = resting._replace(weight=kept)
            yield Batch(321, STOPPED, label + "/rest", number, resting)

    def _in_walls(
        self,
        pdg: int,
        origin: int,
        rays: Rays,
        born: Place,
        label: str,
        seed: int,
        number: int,
        words: tuple[jax.Array, jax.Array],
        before: int,
        before_mass: jax.Array,
    ) -> Iterator[Batch]:
        """Muons that decay in walls and dump, mu+ also at rest; mu- at rest are taken to be captured."""
        mass = jnp.asarray(MASS_MUON)
        there = at_wall(born, mass, jnp.asarray(CTAU_CM[13]), jnp.asarray(np.inf), self._walls)
        key = jnp.asarray(channel_key(seed, label + "/wall"))
        both = muons_in_walls(
            there, rays.before, before_mass, mass, rays.extrapolated, self._muons, self._walls, key, *words
        )
        n = both.weight.shape[0] // 2
        moving, resting = (jax.tree.map(lambda a, part=part: a[part], both) for part in (slice(n), slice(n, None)))
        yield Batch(pdg, origin, label + "/wall", number, moving, before)
        if pdg == -13:
            yield Batch(pdg, STOPPED, label + "/rest", number, resting, before)

    def _protons(self, seed: int, number: int) -> Place:
        """Where beam protons interact, one per particle of a batch."""
        return self.sources.interactions(*self._numbers(f"{self.beam.name}/protons", seed, number))

    def _primary(self, pdg: int, protons: Place, seed: int, number: int) -> Iterator[Batch]:
        label = f"{self.beam.name}/primary/{pdg}"
        at = self._numbers(label, seed, number)
        start, extrapolated = self.sources.mesons_of(pdg, 2212, protons, *at)
        start = start._replace(weight=start.weight / (self.hadrons.shares[pdg] * self.batch))
        outcome = self._carry(pdg, start, at)
        yield from self._decays(pdg, PRIMARY, outcome, extrapolated, label, seed, number)
        if self.secondaries and abs(pdg) == 211:
            for same in (True, False):
                new = pdg if same else -pdg
                tag = f"{label}/tertiary/{new}"
                at = self._numbers(tag, seed, number)
                spectrum = self.hadrons.pions[same] if self.hadrons.pions else None
                start = pions_of_pions(outcome.interaction, *at, same=same, spectrum=spectrum)
                outside = jnp.ones_like(extrapolated)
                yield from self._decays(new, TERTIARY, self._carry(new, start, at), outside, tag, seed, number)

    def _short_kaons(self, protons: Place, seed: int, number: int) -> Iterator[Batch]:
        """Pions of K0_S, which are made as K0_L are."""
        label = f"{self.beam.name}/primary/310"
        at = self._numbers(label, seed, number)
        start, extrapolated = self.sources.mesons_of(130, 2212, protons, *at)
        start = start._replace(weight=start.weight / self.batch)
        for made in daughters_of(310):
            tag = f"{label}/{made.pdg}"
            at = self._numbers(tag, seed, number)
            pions = pions_of_short_kaons(start, jnp.asarray(made.momentum), jnp.asarray(made.number), *at)
            yield from self._decays(made.pdg, KAON, self._carry(made.pdg, pions, at), extrapolated, tag, seed, number)

    def _nucleons(self, protons: Place, seed: int, number: int) -> Iterator[Batch]:
        """Mesons of the leading nucleons of a proton interaction, and of the leading nucleons of their interactions."""
        label = f"{self.beam.name}/nucleon"
        hits: dict[int, list[Place]] = {pdg: [] for pdg in NUCLEONS}
        first = {}
        for pdg in NUCLEONS:
            at = self._numbers(f"{label}/{pdg}", seed, number)
            start = self.sources.nucleons_of(pdg, protons, *at)
            start = start._replace(weight=start.weight / self.batch)
            first[pdg] = self._carry(pdg, start, at).interaction
            hits[pdg].append(first[pdg])
        for parent in NUCLEONS:
            for pdg in NUCLEONS:
                at = self._numbers(f"{label}/{parent}/{pdg}", seed, number)
                start = self.sources.nucleons_of(pdg, first[parent], *at)
                hits[pdg].append(self._carry(pdg, start, at).interaction)
        for pdg in NUCLEONS:
            place = one_of(tuple(hits[pdg]), *self._numbers(f"{label}/{pdg}/one", seed, number))
            for meson in self.hadrons.of_nucleons:
                tag = f"{label}/{pdg}/{meson}"
                at = self._numbers(tag, seed, number)
                made, extrapolated = self.sources.mesons_of(meson, pdg, place, *at)
                yield from self._decays(meson, NUCLEON, self._carry(meson, made, at), extrapolated, tag, seed, number)


@partial(jax.jit, static_argnames=("polarised",))
def neutrinos_at(
    rays: Rays,
    mass: jax.Array,
    before_mass: jax.Array,
    branching: jax.Array,
    quantiles: jax.Array,
    at: Window,
    key: jax.Array,
    low: jax.Array,
    high: jax.Array,
    polarised: str,
) -> tuple[jax.Array, jax.Array]:
    """Energy (GeV) and flux (cm^-2 per proton) of one neutrino of every ray, at a random point of a window. (n,)."""
    u = uniforms(key, low, high, 4)
    d = point_in(at, u[0], u[1], u[3]).plus(Vector(-rays.x, -rays.y, -rays.z))
    far = d.norm()
    n = d.scale(1 / far)
    p = rays.momentum
    parent = four(jnp.sqrt(p.dot(p) + mass * mass), p)
    star = table_lookup(quantiles, u[2] * (quantiles.shape[0] - 1))
    energy, per_solid_angle = seen_from(parent, mass, star, n)
    flux = rays.weight * branching * per_solid_angle / (far * far)
    if polarised:
        q = rays.before
        source = four(jnp.sqrt(q.dot(q) + before_mass * before_mass), q)
        cosine = muon_spin_cosine(parent, source, mass, n)
        flux = flux * muon_decay_factor(2 * star / mass, cosine, polarised == "e")
    return energy, flux


@dataclass(frozen=True, eq=False)
class BeamFlux:
    """Flux at a detector: content and variance per bin of `edges` (GeV), cm^-2 POT^-1.

    Both are keyed by (neutrino, parent, origin).
    parent: PDG code of the particle that decays to the neutrino; origin: index into `rays.ORIGINS`.
    """

    beam: str
    mode: str
    detector: str
    tracks: int
    content: dict[tuple[int, int, int], Array]
    variance: dict[tuple[int, int, int], Array]
    edges: Array = field(default_factory=lambda: EDGES)

    def total(self, pdg: int, parent: int | None = None, origin: int | None = None) -> tuple[Array, Array]:
        """Content and error per bin of a flavour, from one parent and one origin or from all."""
        keys = [k for k in self.content if k[0] == pdg and parent in (None, k[1]) and origin in (None, k[2])]
        zero = np.zeros(len(self.edges) - 1)
        return sum((self.content[k] for k in keys), zero), np.sqrt(sum((self.variance[k] for k in keys), zero))

    def document(self) -> dict[str, Any]:
        """`{beam, mode, detector, edges_GeV, unit, particles, origins, rows}`, the JSON of `darkhorn flux`."""
        names = {"beam": self.beam, "mode": self.mode, "detector": self.detector, "particles": self.tracks}
        unit = "cm^-2 POT^-1 per bin"
        return names | {
            "edges_GeV": self.edges.tolist(),
            "unit": unit,
            "origins": self.origins(),
            "rows": self.rows(),
        }

    def origins(self) -> dict[str, float]:
        """Share of each of `rays.ORIGINS` in the flux of nu_mu (anti-nu_mu in antineutrino mode)."""
        pdg = -14 if self.mode == "antineutrino" else 14
        all_ = float(self.total(pdg)[0].sum())
        kept = sorted({k[2] for k in self.content} - {-1})  # -1: not known
        return {ORIGINS[o]: float(self.total(pdg, origin=o)[0].sum()) / all_ if all_ > 0 else 0.0 for o in kept}

    def rows(self) -> list[dict[str, Any]]:
        """`{pdg, parent, content, error}` per neutrino flavour and parent, and its total (parent "total")."""
        found = []
        for pdg in (14, -14, 12, -12):
            for parent in [*sorted({k[1] for k in self.content if k[0] == pdg}), None]:
                content, error = self.total(pdg, parent)
                name = "total" if parent is None else parent
                found.append({"pdg": pdg, "parent": name, "content": content.tolist(), "error": error.tolist()})
        return found


def beamline(name: str) -> Beamline:
    """A beam that can be simulated. Raises InputError."""
    if name not in BEAMLINES:
        raise InputError("--beam", name, ", ".join(BEAMLINES), did_you_mean(name, list(BEAMLINES)) + "Choose a beam.")
    return BEAMLINES[name]


def beam_of(name: str, ideal_horns: bool = False) -> Beamline:
    """A beam that can be simulated; ideal_horns: with conductors of no thickness. Raises InputError."""
    place = beamline(name)
    return replace(place, horns=tuple(map(ideal, place.horns))) if ideal_horns else place


def rounds_of(beam: Beamline, tracks: int) -> tuple[int, int, int]:
    """Rounds, particles per batch, and particles per round, for at least `tracks` primary particles."""
    batches = sum(hadrons_of(beam).shares.values()) + len(NUCLEONS)
    batch = min(BATCH, max(1024, 1 << (tracks // batches).bit_length()))
    return max(1, -(-tracks // (batches * BATCH))), batch, batches * batch


def simulate_flux(
    beam: str,
    mode: str,
    detectors: tuple[str, ...],
    tracks: int,
    seed: int = 1,
    secondaries: bool = True,
    progress: Callable[[int, int], None] | None = None,
    ideal_horns: bool = False,
    stopped: float = STOPPED_KAONS,
) -> list[BeamFlux]:
    """Fluxes at detectors, in the order asked for, from at least `tracks` primary particles (whole rounds).

    ideal_horns: conductors of no thickness; stopped: K+ per proton on target that rest in the absorber, for NuMI.

    The same particles are seen from every detector. Errors are statistical: rays taken as independent.
    """
    place = beam_of(beam, ideal_horns)
    seen = [window(name, beam) for name in detectors]
    edges = EDGES if beam == "bnb" else NUMI_EDGES
    content: list[dict[tuple[int, int, int], Array]] = [{} for _ in detectors]
    variance: list[dict[tuple[int, int, int], Array]] = [{} for _ in detectors]
    rounds, batch, per_round = rounds_of(place, tracks)
    simulation = BeamSimulation(place, mode, secondaries, batch, stopped)
    for number in range(rounds):
        if progress:
            progress(number * per_round, rounds * per_round)
        for made in simulation.batches(seed, number):
            sign = 1 if made.pdg > 0 else -1
            kind = abs(made.pdg)
            neutral = kind == 130
            for emission in emissions(kind):
                # Emission is for mu+ (-13), pi+ and K+
                charge = 1 if neutral else (-sign if kind == 13 else sign)
                pdg = emission.pdg * charge
                n = made.rays.weight.shape[0]
                low, high = split_index(np.arange(made.number * n, (made.number + 1) * n))
                key = jnp.asarray(channel_key(seed, f"{made.label}/seen/{pdg}/{emission.branching}"))
                for i, at in enumerate(seen):
                    numbers = (MASS[kind], MASSES.get(made.before, 0.0), emission.branching, emission.energy)
                    energy, flux = neutrinos_at(
                        made.rays, *map(jnp.asarray, numbers), at, key, low, high, polarised=emission.polarised
                    )
                    weight = np.asarray(flux) / rounds
                    name = (pdg, made.pdg, made.origin)
                    zero = np.zeros(len(edges) - 1)
                    content[i][name] = content[i].get(name, zero) + np.histogram(energy, edges, weights=weight)[0]
                    variance[i][name] = variance[i].get(name, zero) + np.histogram(energy, edges, weights=weight**2)[0]
    return [
        BeamFlux(beam, mode, name, rounds * per_round, c, v, edges)
        for name, c, v in zip(detectors, content, variance, strict=True)
    ]
