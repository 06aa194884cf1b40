"""From paired samples to a verdict: medians, intervals that survive autocorrelation, and the rule that decides.

Everything here works on arrays of numbers and knows nothing of clocks, so that its error rates can be measured on
simulated data. A contestant is judged by its *paired ratio*: in every round its time is divided by the baseline's time
of the same round, which cancels what the rounds have in common (drift, frequency steps, a busy neighbour).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphopt.errors import InvalidArgument

__all__ = ["MARGIN", "Estimate", "Verdict", "bias", "judge", "median", "minimum_rounds", "paired_ratio"]

Verdict = Literal["faster", "slower", "same", "undecided"]

MARGIN = 0.02  # differences below 2 % are called the same: layout of code and memory alone moves kernels by as much
RESAMPLES = 4999
FEWEST_BLOCKS = 20  # a bootstrap over fewer independent pieces says little about the tails


@dataclass(frozen=True)
class Estimate:
    """A median with its confidence interval.

    Attributes
    ----------
    value
        The sample median, in the unit of the sample (seconds, or dimensionless for ratios).
    low, high
        Ends of the interval, same unit; `low <= value <= high`.
    """

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the interval."""
        return (self.low, self.high)


def minimum_rounds(confidence: float) -> int:
    """Fewest rounds from which a distribution-free interval for the median exists.

    The widest such interval runs from the smallest to the largest of n values and misses the median with probability
    2 · 2⁻ⁿ.

    Parameters
    ----------
    confidence
        Between 0 and 1, for example 0.99 (which needs 8 rounds).
    """
    _check_confidence(confidence)
    return max(2, math.ceil(1 - math.log2(1 - confidence)))


def median(values: ArrayLike, confidence: float = 0.99, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Estimate the median of positive values taken one after another.

    The interval is the hull of two. One is the order-statistic interval, exact for independent values of any
    distribution, taken for as many values as the sample is worth when neighbours resemble each other. The other is the
    percentile interval of a bootstrap over blocks of consecutive values, on logarithms, expanded for the small number b
    of blocks by t₍b₋₁₎ / z · √(b / (b − 1)).

    Parameters
    ----------
    values
        Positive numbers in the order they were taken, shape `(n,)`.
    confidence
        Coverage of the interval, between 0 and 1.
    seed
        Of the resampling: the same values and seed give the same interval.
    resamples
        Number of bootstrap samples.

    Raises
    ------
    InvalidArgument
        Fewer values than `minimum_rounds(confidence)`, or one that is not a positive finite number.

    References
    ----------
    Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17 (1989), for
    blocks; Hesterberg, "What teachers should know about the bootstrap", American Statistician 69 (2015), for the
    expanded percentile interval.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) < minimum_rounds(confidence):
        raise InvalidArgument(
            f"a {confidence:.3%} interval of a median needs at least {minimum_rounds(confidence)} values in one "
            f"dimension, and got an array of shape {sample.shape}; measure more rounds or ask for less confidence"
        )
    if not (np.isfinite(sample).all() and (sample > 0).all()):
        raise InvalidArgument("times and ratios are positive finite numbers; the sample contains something else")
    logarithms = np.log(sample)
    center = float(np.median(logarithms))
    exact = _order_statistic_interval(logarithms, confidence)
    blocked = _block_bootstrap_interval(logarithms, center, confidence, seed, resamples)
    low, high = min(exact[0], blocked[0], center), max(exact[1], blocked[1], center)
    return Estimate(math.exp(center), math.exp(low), math.exp(high))


def paired_ratio(
    times: ArrayLike, baseline: ArrayLike, confidence: float = 0.99, *, seed: int = 0, resamples: int = RESAMPLES
) -> Estimate:
    """Estimate the median over rounds of `times / baseline`.

    Parameters
    ----------
    times, baseline
        Seconds (any unit, but the same), one entry a round, shape `(rounds,)` each.
    confidence, seed, resamples
        As in `median`.

    Returns
    -------
    Estimate
        Dimensionless; above 1 means slower than the baseline.
    """
    ours, theirs = np.asarray(times, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if ours.shape != theirs.shape:
        raise InvalidArgument(f"paired samples have one entry a round each; got shapes {ours.shape}, {theirs.shape}")
    return median(ours / theirs, confidence, seed=seed, resamples=resamples)


def bias(control: Estimate) -> float:
    """How far the control (the baseline against itself) was observed from 1, as a factor of at least 1."""
    return max(control.value, 1 / control.value)


def judge(ratio: Estimate, control: Estimate, margin: float = MARGIN) -> Verdict:
    """Decide what a ratio means, given what the baseline against itself gave in the same run.

    The interval is first widened on both sides by the control's observed bias. Then

    - "slower" (or "faster"): the widened interval lies wholly above (below) 1, the interval does not meet the
      control's, and the median differs from 1 by more than the margin;
    - "same": the widened interval lies within the margin on both sides of 1;
    - "undecided": the data do not say.

    Parameters
    ----------
    ratio
        The contestant's paired ratio.
    control
        The paired ratio of the baseline's second entry.
    margin
        Differences up to this fraction are of no practical interest.
    """
    _check_margin(margin)
    low, high = ratio.low / bias(control), ratio.high * bias(control)
    if low > 1 and ratio.low > control.high and ratio.value > 1 + margin:
        return "slower"
    if high < 1 and ratio.high < control.low and ratio.value < 1 / (1 + margin):
        return "faster"
    if low >= 1 / (1 + margin) and high <= 1 + margin:
        return "same"
    return "undecided"


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InvalidArgument(f"confidence is a number between 0 and 1, such as 0.99; got {confidence!r}")


def _check_margin(margin: float) -> None:
    if not 0 <= margin < 1:
        raise InvalidArgument(f"margin is a fraction from 0 up to 1, such as 0.02 for 2 %; got {margin!r}")


def _correlation_time(values: NDArray[np.float64]) -> float:
    """Values that weigh as much as one independent value does, at least 1, for the purpose of a median.

    A median's variance depends on the autocorrelation of "above or below", which no outlier can blur. It is summed over
    lags in pairs until a pair is no longer positive (Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7
    (1992)).
    """
    signs = np.sign(values - np.median(values))
    power = float(signs @ signs)
    if power == 0:
        return 1.0
    correlations = np.correlate(signs, signs, "full")[len(signs) - 1 :] / power
    correlations += (1 + 3 * correlations) / len(signs)  # the estimate's bias towards negative values
    correlations[0] = 1.0
    pairs = correlations[0 : len(signs) - 1 : 2] + correlations[1 : len(signs) : 2]
    stop = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    return max(1.0, 2 * float(pairs[:stop].sum()) - 1)


def _order_statistic_interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    from scipy.stats import binom

    independent = max(1, int(len(values) / _correlation_time(values)))
    outside = int(binom.ppf((1 - confidence) / 2, independent, 0.5))
    ordered = np.sort(values)
    position = max(math.floor(outside / independent * len(values)) - 1, 0)
    return float(ordered[position]), float(ordered[len(values) - 1 - position])


def _block_bootstrap_interval(
    values: NDArray[np.float64], center: float, confidence: float, seed: int, resamples: int
) -> tuple[float, float]:
    from scipy.stats import bootstrap, norm, t

    length = max(1, min(math.ceil(len(values) ** (1 / 3)), len(values) // FEWEST_BLOCKS))
    count = len(values) // length
    blocks = values[len(values) - count * length :].reshape(count, length)  # what does not fill a block: the oldest

    def statistic(chosen: NDArray[np.intp], axis: int = -1) -> Any:
        return np.median(blocks[chosen].reshape(*chosen.shape[:-1], -1), axis=axis)

    result = bootstrap(
        (np.arange(count),),
        statistic,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // len(values)),
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        random_state=np.random.default_rng(seed),
    )
    tail = (1 + confidence) / 2
    expansion = float(t.ppf(tail, count - 1) / norm.ppf(tail)) * math.sqrt(count / (count - 1))
    low, high = result.confidence_interval
    return center - expansion * (center - float(low)), center + expansion * (float(high) - center)
