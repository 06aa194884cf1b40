"""Defaults that constructors read: `go.config.floatX`. Context-local: threads and tasks do not disturb each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from graphopt.errors import InvalidArgument

__all__ = ["Config", "config"]


class Config:
    """The settings. `config.floatX` is the dtype of constructors that name none: "float64" or "float32"."""

    def __init__(self) -> None:
        self._floatX: ContextVar[str] = ContextVar("floatX", default="float64")

    @property
    def floatX(self) -> str:
        return self._floatX.get()

    @floatX.setter
    def floatX(self, dtype: str) -> None:
        self._floatX.set(self._checked(dtype))

    @contextmanager
    def using(self, *, floatX: str) -> Iterator[None]:
        """Another default within a `with` block.

        Raises
        ------
        InvalidArgument
            If it is neither "float32" nor "float64".
        """
        token = self._floatX.set(self._checked(floatX))
        try:
            yield
        finally:
            self._floatX.reset(token)

    @staticmethod
    def _checked(dtype: str) -> str:
        if dtype not in ("float32", "float64"):
            raise InvalidArgument(f"floatX is 'float32' or 'float64', found {dtype!r}")
        return dtype


config = Config()
