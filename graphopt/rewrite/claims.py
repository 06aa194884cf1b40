"""What a rule promises about values. Every rule carries one of these; the verifier holds it to it.

Let L be what the pattern computes and R what the replacement computes, each operation correctly rounded, and let T be
the truth: the pattern in exact arithmetic. The unit of error is the ulp of the result's dtype at T; ε is its machine
epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Claim", "Exact", "Improves", "RealOnly", "Reassociates", "Stabilizes", "Ulps"]


class Claim:
    """Base of the promises a rule can make."""

    def __str__(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class Exact(Claim):
    """R has the bits of L for every input: the sign of zero included, NaN for NaN."""

    __str__ = Claim.__str__


@dataclass(frozen=True)
class Ulps(Claim):
    """R is within `k` ulps of L; NaNs and infinities are where they were."""

    k: int

    def __str__(self) -> str:
        return f"Ulps({self.k})"


@dataclass(frozen=True)
class Improves(Claim):
    """R is never more than `ulps` ulps further from T than L is, has no new NaN or infinity, and is somewhere better.

    L is right by luck here and there, and so a replacement of several operations needs as many ulps as they can lose;
    the promise is still that nothing worse happens anywhere, however much better R is elsewhere.
    """

    ulps: int = 1

    def __str__(self) -> str:
        return "Improves" if self.ulps == 1 else f"Improves({self.ulps})"


@dataclass(frozen=True)
class Stabilizes(Claim):
    """R is finite wherever T is representable and no input is +∞, and within a bound of it there.

    Let M be 1 or, if that is more, the greatest finite magnitude among the inputs. The bound is
    `bound · ε · (|T| + M)`, or, if `relative`, `bound · ε · (1 + M) · |T|`; both plus `bound · M` times the least
    positive number, for what underflows on the way.
    """

    bound: float
    relative: bool = False

    def __str__(self) -> str:
        return f"Stabilizes({self.bound:g}{', relative' if self.relative else ''})"


@dataclass(frozen=True)
class Reassociates(Claim):
    """L and R are equal over the reals; they add or multiply in another order.

    The error is at most n·ε times the sum of the magnitudes of the terms (the product, for products), n being the
    number of terms.
    """

    __str__ = Claim.__str__


@dataclass(frozen=True)
class RealOnly(Claim):
    """L and R are equal over the reals wherever L is defined; in floating point nothing is promised."""

    __str__ = Claim.__str__
