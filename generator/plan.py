"""The pilot record: importance map, share of the events and largest weight of every channel. Small, JSON, stored in
every file.

Shards of one run must share it. Each recomputes it from the seed; machines whose arithmetic differs (CPU and GPU) are
handed one with `--plan`.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.channel import Channel
from darkhorn.generator.device import MAP_BINS, PILOT_EVENTS, PILOT_MEASURES, as_float64, pilot
from darkhorn.generator.files.output import check_output, fail, sync_folder
from darkhorn.generator.streams import channel_key
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.vegas import flat_map

# The largest weight of the pilot is a sample maximum: the margin makes weights above it rare. The supremum, which the
# pilot climbs to, is up to twice as large, but so seldom come near that taking it would halve the efficiency of
# unweighting for 1e-5 of the weight: it certifies what lies above the maximum instead (`generator/certificate.py`).
MAXIMUM_MARGIN = 1.1
MEASURED_EVENTS = PILOT_MEASURES * PILOT_EVENTS  # of a channel, from which rate and maximum come


@dataclass(frozen=True)
class ChannelPlan:
    """What the pilot found for a channel: map (d, bins + 1), rate and error (events in the exposure), variance, the
    maximum for accept-reject, and the largest weight anywhere (0: not looked for).
    """

    name: str
    grid: NDArray[np.float64]
    rate: float
    rate_error: float
    variance: float
    maximum: float
    supremum: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The pilot record of a run."""

    card_hash: str
    seed: int
    channels: tuple[ChannelPlan, ...]

    @property
    def rate(self) -> float:
        """Expected events, all channels."""
        return float(sum(channel.rate for channel in self.channels))

    def shares(self, n: int, at_least_one: bool = True) -> list[int]:
        """Events of each channel, adding up to n: shares of the rate by largest remainder.

        `at_least_one`: every channel with a rate gets an event, as far as n allows; without it the sum of weights
        would lack the channel.
        """
        rates = np.array([channel.rate for channel in self.channels])
        exact = rates / rates.sum() * n
        counts = np.floor(exact).astype(np.int64)
        order = np.argsort(-(exact - counts), kind="stable")
        counts[order[: n - int(counts.sum())]] += 1
        for index in np.flatnonzero((counts == 0) & (rates > 0) & at_least_one):
            largest = int(np.argmax(counts))
            if counts[largest] > 1:
                counts[largest] -= 1
                counts[index] = 1
        return [int(count) for count in counts]

    def to_json(self) -> dict[str, Any]:
        """JSON types with the `hash` of the content."""
        body = {
            "card_hash": self.card_hash,
            "seed": self.seed,
            "channels": [{**vars(channel), "grid": channel.grid.tolist()} for channel in self.channels],
        }
        return {**body, "hash": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}

    @classmethod
    def from_json(cls, data: Any, where: str) -> "Plan":
        """Inverse of `to_json`. InputError for anything else, or where the hash does not fit the content."""
        try:
            channels = tuple(
                ChannelPlan(**{**channel, "grid": np.array(channel["grid"], np.float64)})
                for channel in data["channels"]
            )
            plan = cls(str(data["card_hash"]), int(data["seed"]), channels)
            if plan.to_json()["hash"] != data["hash"]:
                raise ValueError("hash")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                where,
                "no plan, or one that was changed",
                "a plan as written by `--plan`",
                "Delete it and let it be made again.",
            ) from error
        return plan

    def check(self, card_hash: str, seed: int, names: Sequence[str], where: str) -> None:
        """Raise InputError unless the plan was made for this card, seed and these channels."""
        for what, found, wanted in (
            ("card", self.card_hash, card_hash),
            ("seed", self.seed, seed),
            ("channels", [channel.name for channel in self.channels], list(names)),
        ):
            if found != wanted:
                raise InputError(
                    where,
                    f"a plan for another {what}",
                    f"a plan for this {what}",
                    "Delete it and let it be made again.",
                )


def make_plan(channels: Sequence[Channel], card_hash: str, seed: int) -> Plan:
    """Run the pilot of every channel. Raises InputError if no channel has a rate, FloatingPointError on a weight that
    is not finite.
    """
    found = []
    for channel in channels:
        key = channel_key(seed, channel.name, "pilot")
        params = channel.chain.prepare(as_float64(channel.params))
        found_here = pilot(channel.chain.bare, params, jnp.asarray(key), PILOT_EVENTS)
        result = {k: np.asarray(v) for k, v in found_here.items()}
        if not all(np.isfinite(value).all() for value in result.values()):
            raise FloatingPointError(
                f"the pilot of channel {channel.name} met a weight that is not finite (seed {seed})"
            )
        mean, square = float(result["mean"]), float(result["square"])
        variance = max(square - mean * mean, 0.0)
        error = (variance / MEASURED_EVENTS) ** 0.5
        maximum = float(result["maximum"]) * MAXIMUM_MARGIN
        supremum = max(float(result["supremum"]), maximum)
        found.append(ChannelPlan(channel.name, result["grid"], mean, error, variance, maximum, supremum))
    plan = Plan(card_hash, seed, tuple(found))
    if not plan.rate > 0:
        raise InputError(
            "model",
            "an expected rate of zero in every channel",
            "a rate above zero",
            "Check masses, couplings, regions and flux range, and whether N lives long enough to reach `decay_in`.",
        )
    return plan


def untrained_plan(channels: Sequence[Channel]) -> Plan:
    """A plan with flat maps and equal rates: of the right shape, for compiling ahead."""
    grids = [np.asarray(flat_map(len(channel.chain.adapted), MAP_BINS)) for channel in channels]
    found = [ChannelPlan(c.name, grid, 1.0, 0.0, 0.0, 1.0) for c, grid in zip(channels, grids, strict=True)]
    return Plan("", 0, tuple(found))


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises InputError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            str(path), f"a file that cannot be read ({error})", "a plan in JSON", "Check the path."
        ) from error
    return Plan.from_json(data, str(path))


def share_plan(path: Path, plan: Plan) -> Plan:
    """Write the plan to a new file and return it. Where another process was first, its plan is returned instead: all
    that share the file use the same one. Raises OutputError, or InputError for a file that is no plan.
    """
    check_output(path, overwrite=True)
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=path.name + ".", suffix=".new", dir=path.parent)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(plan.to_json(), file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        try:
            os.link(temporary, path)  # unlike a rename, it fails if the name is taken by now
        except FileExistsError:
            return read_plan(path)
        except OSError:  # links are not offered by this file system
            os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        fail(path, error)
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
    return plan
