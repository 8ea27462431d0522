"""What accept-reject can vouch for: how much of the weight lies above the maximum it was run with."""

import math

CONFIDENCE = 0.95


def poisson_upper_limit(count: int, confidence: float = CONFIDENCE) -> float:
    """The mean above which `count` events or fewer have a probability below 1 - confidence. 3.0 for none seen.

    Exact up to a count of 100, above by the formula of Wilson and Hilferty, to 1e-4 (PDG Review, "Statistics",
    eq. (40.73b) for the definition). The confidence of the formula is 0.95.
    """
    if count > 100:
        n = count + 1.0
        return n * (1 - 1 / (9 * n) + 1.6448536 / (3 * math.sqrt(n))) ** 3
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(80):
        mean = 0.5 * (low + high)
        terms = (math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(count + 1))
        low, high = (mean, high) if sum(terms) > 1 - confidence else (low, mean)
    return high


def overweight_bound(above: int, attempted: int, supremum: float, mean: float, pilot: int = 0) -> float:
    """Upper limit (95 %) of the share of the weight that is carried by events above the maximum of accept-reject.

    above      events above the maximum, of `attempted` that were tried
    supremum   largest weight that the pilot has found by climbing; mean   mean weight
    pilot      events, independent of those tried, whose largest weight the maximum is, or is not below

    Their probability is at most `poisson_upper_limit(above)` / (attempted + pilot), and each carries at most
    `supremum`. The maximum being made from the pilot, none of its events can be above: they count all the same.
    Whatever the distribution of the weights, the probability p to exceed the largest of n of them has the density
    n (1 - p)^(n - 1) (order statistics: H. A. David, H. N. Nagaraja, "Order Statistics", 3rd edition, section 2.1);
    with x = p (n + m), m = attempted, f = m/(n + m), the limit L(k) of k events above fails with probability
    (1 - f) sum_k f^k int_L(k)^oo dx x^k e^-x / k! = (1 - f) sum_k f^k 0.05 = 0.05. Together they vouch for more than
    either alone: a run of 100 events for as much as its pilot does.

    That no weight is larger than what the climb has found is not proven: it is what a search of 10^5 points from the
    best ones knows.
    """
    if attempted == 0 or not mean > 0:
        return 0.0
    return min(1.0, poisson_upper_limit(above) / (attempted + pilot) * supremum / mean)
