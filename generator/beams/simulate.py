"""A whole beam: species and generations of particles in batches, and the flux of their neutrinos at a detector."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.fluxes.charged_daughters import daughters_of
from darkhorn.fluxes.decay_line import CTAU_CM, MASS
from darkhorn.fluxes.hadron_cross_sections import MASSES
from darkhorn.fluxes.neutrino_spectra import emissions
from darkhorn.generator.beams.beam_flux import EDGES, NUMI_EDGES, BeamFlux, neutrinos_at
from darkhorn.generator.beams.horn_muons import Born, flown_rays, gathered, muon_medium, split, started
from darkhorn.generator.beams.in_walls import at_wall, kaons_at_rest, muons_in_walls, passages, pions_at_rest
from darkhorn.generator.beams.neutral_mesons import BATCHES, NO_NEUTRALS, NeutralMesons, NeutralSource
from darkhorn.generator.beams.propagate import CTAU, Outcome, Start, medium, propagate, skin_depth
from darkhorn.generator.beams.rays import (
    KAON,
    NUCLEON,
    PRIMARY,
    STOPPED,
    TERTIARY,
    Flown,
    Rays,
    TimedPlace,
    after_rest,
    daughters,
    pions_of_short_kaons,
    rays_of,
    stopped_kaons,
    timed,
    walls,
)
from darkhorn.generator.beams.sources import Sources, hadrons_of, one_of, pions_of_pions, proton_time
from darkhorn.generator.beams.windows import window
from darkhorn.generator.streams import channel_key, split_index, uniforms
from darkhorn.geometry.beamlines import Beamline
from darkhorn.geometry.beams import BEAMLINES
from darkhorn.geometry.horns import ideal
from darkhorn.kernels.constants import MASS_MUON
from darkhorn.kernels.errors import InputError, did_you_mean

Array = NDArray[np.float64]
MODES = ("neutrino", "antineutrino")
BATCH = 1 << 13  # particles; fewer if fewer are asked for
NUCLEONS = (2212, 2112)
# K+ that come to rest in the hadron absorber of NuMI, per proton on target: Spitz, Phys. Rev. D 89 (2014) 073007; other
# simulations spread by a factor 2 about it
STOPPED_KAONS = 0.085


# Muons born in target and horns, by PDG code and origin: they are carried together at the end of a round
HornBorn = dict[tuple[int, int], list[Born]]


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
    the absorber per proton on target, for beams with one; mesons: pi0 and eta to make, too. Random numbers are a
    function of seed, species and the index of the particle.
    """

    def __init__(
        self,
        beam: Beamline,
        mode: str,
        secondaries: bool = True,
        batch: int = BATCH,
        stopped: float = STOPPED_KAONS,
        mesons: NeutralMesons = NO_NEUTRALS,
    ) -> None:
        self.beam, self.mode, self.secondaries, self.batch, self.stopped = beam, mode, secondaries, batch, stopped
        self.sources = Sources(beam, mode)
        self.neutral = NeutralSource(beam, mesons)
        self.hadrons = hadrons_of(beam)
        self._media = {pdg: medium(beam, pdg, mode) for pdg in (*self.hadrons.production, *NUCLEONS)}
        self._muon_media = {pdg: muon_medium(self._media[-211 * pdg // 13]) for pdg in (13, -13)}
        self._walls = walls(beam.decay_region)
        self._muons, self._pions = passages(13), passages(211)
        self._skin = skin_depth(beam)

    def batches(self, seed: int, number: int) -> Iterator[Batch]:
        """Rays of round `number` (0, 1, ...): batches of every component."""
        shares = self.hadrons.shares
        many = max(BATCHES, *shares.values())
        protons = [self._protons(seed, number * many + part) for part in range(many)]  # shared by the species
        born: HornBorn = {}
        for pdg, share in shares.items():
            for part in range(share):
                yield from self._primary(pdg, protons[part], seed, number * share + part, born)
        yield from self._short_kaons(protons[0], seed, number, born)
        if self.secondaries:
            yield from self._nucleons(protons[0], seed, number, born)
        for (pdg, origin), parts in born.items():
            yield from self._horn_muons(pdg, origin, gathered(parts), seed, number)
        if self.beam.absorber is not None and self.stopped > 0:
            at_rest = stopped_kaons(self.stopped, self.beam.absorber, 2 * self.batch)  # as many as other rays
            label = f"{self.beam.name}/absorber/321"
            yield Batch(321, STOPPED, label, number, self._lived(at_rest, 321, label, seed, number))
        for pdg in self.neutral.wanted.species:
            for part in range(BATCHES):
                yield self._neutral(pdg, protons[part], seed, number * BATCHES + part)

    def _numbers(self, label: str, seed: int, number: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        low, high = split_index(np.arange(number * self.batch, (number + 1) * self.batch))
        return jnp.asarray(channel_key(seed, label)), jnp.asarray(low), jnp.asarray(high)

    def _carry(self, pdg: int, start: Start, time: jax.Array, at: tuple[jax.Array, jax.Array, jax.Array]) -> Flown:
        """What becomes of particles that start at `time` (ns)."""
        outcome: Outcome = propagate(start, self._media[pdg], *at, self._skin)
        found: Flown = timed(outcome, start, time, jnp.asarray(MASSES[pdg]))
        return found

    def _lived(self, rays: Rays, pdg: int, label: str, seed: int, number: int) -> Rays:
        """Rays of particles at rest after their life."""
        n = rays.weight.shape[0]
        low, high = split_index(np.arange(number * n, (number + 1) * n))
        key = jnp.asarray(channel_key(seed, label + "/life"))
        found: Rays = after_rest(rays, jnp.asarray(CTAU_CM[abs(pdg)]), key, jnp.asarray(low), jnp.asarray(high))
        return found

    def _decays(
        self,
        pdg: int,
        origin: int,
        outcome: Flown,
        extrapolated: jax.Array,
        label: str,
        seed: int,
        number: int,
        horn_born: HornBorn,
    ) -> Iterator[Batch]:
        """Rays of a species and of its daughters that decay to neutrinos; muons of pions in horns go to `horn_born`."""
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
            if muon and abs(pdg) == 211:
                first, found, born = split(found, born)
                horn_born.setdefault((kind, origin), []).append(first)
            yield Batch(kind, origin if muon else KAON, tag, number, found, parent)
            if muon:
                yield from self._in_walls(kind, origin, found, born, tag, seed, number, twice, parent, mass)
        ends = outcome, extrapolated, mass, ctau, self._walls.gas
        if pdg == 211:  # not pi-, which a nucleus takes
            resting = pions_at_rest(*ends, self._pions, self._walls)
            resting = self._lived(resting, 211, label + "/rest", seed, number)
            yield Batch(211, STOPPED, label + "/rest", number, resting)
            tag = label + "/rest/muon"
            yield Batch(-13, STOPPED, tag, number, self._lived(resting, 13, tag, seed, number))
        if pdg == 321:  # not K-
            at = self._numbers(label + "/rest", seed, number)
            resting = kaons_at_rest(*ends, self._walls, *at)
            if self.beam.absorber is not None:  # those of the absorber come as a number per proton
                kept = jnp.where(resting.z < self.beam.absorber - 1, resting.weight, 0.0)
                resting = resting._replace(weight=kept)
            tag = label + "/rest"
            yield Batch(321, STOPPED, tag, number, self._lived(resting, 321, tag, seed, number))

    def _in_walls(
        self,
        pdg: int,
        origin: int,
        rays: Rays,
        born: TimedPlace,
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
            tag = label + "/rest"
            yield Batch(pdg, STOPPED, tag, number, self._lived(resting, pdg, tag, seed, number), before)

    def _protons(self, seed: int, number: int) -> TimedPlace:
        """Where beam protons interact, one per particle of a batch."""
        return self.sources.interactions(*self._numbers(f"{self.beam.name}/protons", seed, number))

    def _horn_muons(self, pdg: int, origin: int, born: Born, seed: int, number: int) -> Iterator[Batch]:
        """Muons that start in target and horns: as those of `_decays` behind them."""
        label = f"{self.beam.name}/horn/{origin}/{pdg}"
        start, at = started(born), self._numbers(label, seed, number)
        outcome: Outcome = propagate(start, self._muon_media[pdg], *at, self._skin)
        flown: Flown = timed(outcome, start, born.place.time, jnp.asarray(MASS_MUON))
        at = self._numbers(label + "/decay", seed, number)
        rays, leaving, there, resting = flown_rays(born, flown, self._walls, *at)
        pion = -211 * pdg // 13
        yield Batch(pdg, origin, label, number, rays, pion)
        low, high = split_index(np.arange(2 * number * self.batch, 2 * (number + 1) * self.batch))
        words, mass = (jnp.asarray(low), jnp.asarray(high)), jnp.asarray(MASSES[211])
        yield from self._in_walls(pdg, origin, leaving, there, label, seed, number, words, pion, mass)
        if pdg == -13:
            tag = label + "/stop"
            yield Batch(pdg, STOPPED, tag, number, self._lived(resting, pdg, tag, seed, number))

    def _primary(self, pdg: int, protons: TimedPlace, seed: int, number: int, born: HornBorn) -> Iterator[Batch]:
        label = f"{self.beam.name}/primary/{pdg}"
        at = self._numbers(label, seed, number)
        start, extrapolated = self.sources.mesons_of(pdg, 2212, protons.place, *at)
        start = start._replace(weight=start.weight / (self.hadrons.shares[pdg] * self.batch))
        outcome = self._carry(pdg, start, proton_time(self.sources.protons, start.z), at)
        yield from self._decays(pdg, PRIMARY, outcome, extrapolated, label, seed, number, born)
        if self.secondaries and abs(pdg) == 211:
            for same in (True, False):
                new = pdg if same else -pdg
                tag = f"{label}/tertiary/{new}"
                at = self._numbers(tag, seed, number)
                spectrum = self.hadrons.pions[same] if self.hadrons.pions else None
                start = pions_of_pions(outcome.interaction.place, *at, same=same, spectrum=spectrum)
                outside = jnp.ones_like(extrapolated)
                found = self._carry(new, start, outcome.interaction.time, at)
                yield from self._decays(new, TERTIARY, found, outside, tag, seed, number, born)

    def _neutral(self, pdg: int, protons: TimedPlace, seed: int, number: int) -> Batch:
        """pi0 or eta of beam protons."""
        label = f"{self.beam.name}/primary/{pdg}"
        u = uniforms(*self._numbers(label, seed, number), 3)
        place = protons._replace(weight=protons.weight / (BATCHES * self.batch))
        return Batch(pdg, PRIMARY, label, number, self.neutral.rays(pdg, place, u))

    def _short_kaons(self, protons: TimedPlace, seed: int, number: int, born: HornBorn) -> Iterator[Batch]:
        """Pions of K0_S, which are made as K0_L are."""
        label = f"{self.beam.name}/primary/310"
        at = self._numbers(label, seed, number)
        start, extrapolated = self.sources.mesons_of(130, 2212, protons.place, *at)
        start = start._replace(weight=start.weight / self.batch)
        for made in daughters_of(310):
            tag = f"{label}/{made.pdg}"
            at = self._numbers(tag, seed, number)
            pions, delay = pions_of_short_kaons(start, jnp.asarray(made.momentum), jnp.asarray(made.number), *at)
            time = proton_time(self.sources.protons, start.z) + delay
            found = self._carry(made.pdg, pions, time, at)
            yield from self._decays(made.pdg, KAON, found, extrapolated, tag, seed, number, born)

    def _nucleons(self, protons: TimedPlace, seed: int, number: int, born: HornBorn) -> Iterator[Batch]:
        """Mesons of the leading nucleons of a proton interaction, and of the leading nucleons of their interactions."""
        label = f"{self.beam.name}/nucleon"
        hits: dict[int, list[TimedPlace]] = {pdg: [] for pdg in NUCLEONS}
        first = {}
        for pdg in NUCLEONS:
            at = self._numbers(f"{label}/{pdg}", seed, number)
            start = self.sources.nucleons_of(pdg, protons.place, *at)
            start = start._replace(weight=start.weight / np.float64(self.batch))  # not weakly typed: one compilation
            first[pdg] = self._carry(pdg, start, proton_time(self.sources.protons, start.z), at).interaction
            hits[pdg].append(first[pdg])
        for parent in NUCLEONS:
            for pdg in NUCLEONS:
                at = self._numbers(f"{label}/{parent}/{pdg}", seed, number)
                start = self.sources.nucleons_of(pdg, first[parent].place, *at)
                hits[pdg].append(self._carry(pdg, start, first[parent].time, at).interaction)
        for pdg in NUCLEONS:
            place = one_of(tuple(hits[pdg]), *self._numbers(f"{label}/{pdg}/one", seed, number))
            for meson in self.hadrons.of_nucleons:
                tag = f"{label}/{pdg}/{meson}"
                at = self._numbers(tag, seed, number)
                made, extrapolated = self.sources.mesons_of(meson, pdg, place.place, *at)
                found = self._carry(meson, made, place.time, at)
                yield from self._decays(meson, NUCLEON, found, extrapolated, tag, seed, number, born)
            for meson in self.neutral.wanted.species:
                tag = f"{label}/{pdg}/{meson}"
                u = uniforms(*self._numbers(tag, seed, number), 3)
                yield Batch(meson, NUCLEON, tag, number, self.neutral.rays(meson, place, u))


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
