"""Error rates of intervals and verdicts, measured on times as a restless machine would give them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from graphopt.bench.statistics import Estimate, judge, median, minimum_rounds, paired_ratio
from graphopt.errors import InvalidArgument

NOISES = ("white", "heavy-tailed", "drifting", "stepping", "autocorrelated", "everything", "per-contestant")
ROUNDS = 120
RESAMPLES = 999
NO_BIAS = Estimate(1.0, 0.999, 1.001)


def times(noise: str, ratio: float, seed: int, rounds: int = ROUNDS) -> NDArray[np.float64]:
    """Seconds a call of a baseline, a contestant `ratio` times as slow, and the control; shape `(3, rounds)`.

    The three take turns in random order on one time line, on which all noise but the last kind lives: what a round has
    in common cancels only as far as it would on a machine. "per-contestant" adds a disturbance that stays with each
    contestant for about ten rounds.
    """
    generator = np.random.default_rng([seed, NOISES.index(noise)])
    slots = 3 * rounds
    disturbance = generator.normal(0, 0.01, slots)
    if noise in ("heavy-tailed", "everything"):
        disturbance += 0.01 * np.abs(generator.standard_t(1.5, slots))
        disturbance += (generator.random(slots) < 0.05) * generator.exponential(0.5, slots)
    if noise in ("drifting", "everything"):
        disturbance += np.linspace(0, generator.choice([-0.3, 0.3]), slots)
    if noise == "stepping":
        for start in generator.integers(0, slots, 6):
            disturbance[start:] += generator.choice([-0.2, 0.2])
    if noise in ("autocorrelated", "everything"):
        disturbance += autocorrelated(generator, slots, 0.9, 0.04)
    by_contestant = np.empty((3, rounds))
    for turn, in_turn in enumerate(disturbance.reshape(rounds, 3)):
        by_contestant[generator.permutation(3), turn] = in_turn
    if noise == "per-contestant":
        by_contestant += [autocorrelated(generator, rounds, 0.8, 0.01) for _ in range(3)]
    by_contestant[1] += np.log(ratio)
    return 1e-4 * np.exp(by_contestant)


def autocorrelated(generator: np.random.Generator, count: int, memory: float, deviation: float) -> NDArray[np.float64]:
    """A stationary first-order autoregression with the given standard deviation."""
    shocks = generator.normal(0, deviation * np.sqrt(1 - memory**2), count)
    values = np.empty(count)
    value = generator.normal(0, deviation)
    for index, shock in enumerate(shocks):
        value = memory * value + shock
        values[index] = value
    return values


def judged(noise: str, ratio: float, seed: int) -> tuple[Estimate, str]:
    baseline, contestant, control = times(noise, ratio, seed)
    estimate = paired_ratio(contestant, baseline, resamples=RESAMPLES)
    return estimate, judge(estimate, paired_ratio(control, baseline, resamples=RESAMPLES))


@pytest.mark.parametrize("noise", NOISES)
def test_a_contestant_is_hardly_ever_called_faster_or_slower_than_itself(noise: str) -> None:
    results = [judged(noise, 1.0, seed) for seed in range(150)]
    verdicts = Counter(verdict for _, verdict in results)
    assert verdicts["faster"] + verdicts["slower"] <= 3, verdicts
    covered = sum(estimate.low <= 1 <= estimate.high for estimate, _ in results)
    assert covered >= 145, covered


@pytest.mark.parametrize("noise", NOISES)
def test_five_percent_are_found_in_nearly_all_comparisons(noise: str) -> None:
    verdicts = Counter(judged(noise, 1.05, seed)[1] for seed in range(50))
    assert verdicts["slower"] >= 45, verdicts
    assert verdicts["faster"] == verdicts["same"] == 0, verdicts


def test_intervals_cover_the_median_at_the_stated_rate_when_rounds_are_few() -> None:
    samples = np.exp(np.random.default_rng(0).standard_cauchy((300, 12)) * 0.01)
    covered = sum(bool(e.low <= 1 <= e.high) for e in (median(row, 0.95, resamples=RESAMPLES) for row in samples))
    assert covered >= 0.95 * 300


def test_an_estimate_repeats_bit_for_bit_with_the_same_seed() -> None:
    baseline, contestant, _ = times("everything", 1.0, 0)
    assert paired_ratio(contestant, baseline, seed=3) == paired_ratio(contestant, baseline, seed=3)


def test_pairing_cancels_what_a_round_has_in_common() -> None:
    baseline = np.geomspace(1.0, 50.0, 40)
    estimate = paired_ratio(1.5 * baseline, baseline)
    assert estimate.low == pytest.approx(1.5) and estimate.high == pytest.approx(1.5)


def test_more_rounds_narrow_the_interval_and_correlated_rounds_widen_it() -> None:
    generator = np.random.default_rng(1)
    independent = np.exp(generator.normal(0, 0.02, 400))
    correlated = np.exp(autocorrelated(generator, 400, 0.9, 0.02))
    few, many, alike = median(independent[:50]), median(independent), median(correlated)
    assert many.high - many.low < 0.7 * (few.high - few.low)
    assert alike.high - alike.low > 2 * (many.high - many.low)


def test_identical_values_give_an_interval_without_width() -> None:
    assert median([2.0] * 20).interval == pytest.approx((2.0, 2.0))


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Estimate(1.05, 1.03, 1.07), "slower"),
        (Estimate(0.95, 0.93, 0.97), "faster"),
        (Estimate(1.001, 0.995, 1.006), "same"),
        (Estimate(1.01, 1.005, 1.015), "same"),  # real, but of no practical interest
        (Estimate(1.018, 1.005, 1.031), "undecided"),
        (Estimate(1.03, 0.99, 1.07), "undecided"),
        (Estimate(0.97, 0.93, 1.01), "undecided"),
    ],
)
def test_a_verdict_needs_the_interval_and_the_margin(ratio: Estimate, verdict: str) -> None:
    assert judge(ratio, NO_BIAS, margin=0.02) == verdict


def test_a_biased_control_holds_verdicts_back() -> None:
    ratio = Estimate(1.05, 1.03, 1.07)
    assert judge(ratio, Estimate(1.04, 1.03, 1.05)) == "undecided"  # as far off as the contestant
    assert judge(ratio, Estimate(0.96, 0.95, 0.97)) == "undecided"  # off in the other direction
    assert judge(ratio, Estimate(1.00, 0.96, 1.04)) == "undecided"  # unbiased, but too uncertain
    assert judge(Estimate(1.0, 0.99, 1.01), Estimate(1.04, 1.03, 1.05)) == "undecided"  # no "same" either


def test_faster_and_slower_mirror_each_other() -> None:
    for seed in range(10):
        baseline, contestant, control = times("heavy-tailed", 1.04, seed)
        ratio, again = paired_ratio(contestant, baseline), paired_ratio(control, baseline)
        mirrored = Estimate(1 / ratio.value, 1 / ratio.high, 1 / ratio.low)
        mirrored_again = Estimate(1 / again.value, 1 / again.high, 1 / again.low)
        swapped = {"slower": "faster", "faster": "slower"}
        verdict = judge(ratio, again)
        assert judge(mirrored, mirrored_again) == swapped.get(verdict, verdict)


def test_too_few_rounds_for_the_confidence_are_refused() -> None:
    assert minimum_rounds(0.99) == 8
    with pytest.raises(InvalidArgument, match="at least 8 values"):
        median([1.0] * 7)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_impossible_times_are_refused(bad: float) -> None:
    with pytest.raises(InvalidArgument, match="positive finite"):
        median([1.0] * 20 + [bad])


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="confidence"):
        minimum_rounds(1.0)
    with pytest.raises(InvalidArgument, match="margin"):
        judge(NO_BIAS, NO_BIAS, margin=-0.1)
    with pytest.raises(InvalidArgument, match="one entry a round"):
        paired_ratio([1.0] * 10, [1.0] * 11)
