"""Mutants that the verifier rightly lets pass."""

from collections.abc import Mapping

EQUIVALENT: Mapping[tuple[str, str], str] = {
    ("RealOnly", "rounded to float32"): "nothing is promised in floating point, and over the reals a cast is nothing",
    ("power-minus-two", "constant 1: -c at 2"): "(-1/x)² is (1/x)², to the bit",
}
UNNEEDED: Mapping[tuple[str, str], str] = {}
