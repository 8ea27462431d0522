"""Sums over the events of a channel before and after a reweighting."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from darkhorn.generator.files.columns import Array


@dataclass
class Tally:
    """Sums over the events of a channel before and after; `ratio` is new weight / old weight, `expected` what the new
    sum should be if every flight of the new model had been drawn (`Stage.summed`).
    """

    events: int = 0
    sum_w: list[float] = field(default_factory=lambda: [0.0, 0.0])
    sum_w2: list[float] = field(default_factory=lambda: [0.0, 0.0])
    ratio_min: float = math.inf
    ratio_max: float = 0.0
    max_weight: float = 0.0
    expected: float = 0.0
    flight_error2: float = 0.0
    unreachable: int = 0

    def add(self, before: Array, after: Array, expected: Array, unreachable: int) -> None:
        """Take in some events."""
        self.events += len(before)
        self.expected += float(expected.sum())
        self.flight_error2 += float(np.square(after - expected).sum())
        self.unreachable += unreachable
        for i, weight in enumerate((before, after)):
            self.sum_w[i] += float(weight.sum())
            self.sum_w2[i] += float(np.square(weight).sum())
        alive = before > 0
        if alive.any():
            ratio = after[alive] / before[alive]
            self.ratio_min = min(self.ratio_min, float(ratio.min()))
            self.ratio_max = max(self.ratio_max, float(ratio.max()))
            self.max_weight = max(self.max_weight, float(after.max()))

    def merge(self, other: "Tally") -> None:
        """Take in another tally."""
        self.events += other.events
        self.expected += other.expected
        self.flight_error2 += other.flight_error2
        self.unreachable += other.unreachable
        for i in (0, 1):
            self.sum_w[i] += other.sum_w[i]
            self.sum_w2[i] += other.sum_w2[i]
        self.ratio_min = min(self.ratio_min, other.ratio_min)
        self.ratio_max = max(self.ratio_max, other.ratio_max)
        self.max_weight = max(self.max_weight, other.max_weight)

    def ess(self, i: int) -> float:
        """Effective sample size before (0) or after (1)."""
        return self.sum_w[i] ** 2 / self.sum_w2[i] if self.sum_w2[i] > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """What a report says of a channel."""
        return {
            "events": self.events,
            "sum_w_before": self.sum_w[0],
            "sum_w": self.sum_w[1],
            "ess_before": self.ess(0),
            "ess": self.ess(1),
            "ratio_min": self.ratio_min if self.ratio_max >= self.ratio_min else 0.0,
            "ratio_max": self.ratio_max,
        }
