"""The SiLU for graphopt: `from graphopt_silu import silu`."""

from graphopt_silu.op import silu

__all__ = ["silu"]
