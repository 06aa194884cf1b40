"""A contestant that is compiled and not run: CUDA where there is no GPU.

It has everything that is known without running: text, bytes and operations, and what its kernels take on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.frontend.declare import declare
from graphopt.interpret import bind_dimensions
from graphopt.lowering import KernelFacts, as_pipeline, lower
from graphopt.options import Options
from graphopt.rewrite.pipeline import Pipeline
from graphopt.runtime.arguments import as_array, bind
from graphopt.runtime.resources import Resources, resources
from graphopt.updates import values
from graphopt.variant import counts

__all__ = ["Static"]


class Static:
    """Stands for a function whose target is not here; whoever calls it hears why.

    Parameters
    ----------
    inputs, outputs, pipeline, types, options
        As for `go.function`.
    error
        Why it cannot run.

    Raises
    ------
    InvalidArgument
        The function would be a ufunc: what its kernels are depends on the arguments of each call.
    """

    target = "cuda"

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        error: Exception,
        *,
        pipeline: str | Pipeline = "default",
        name: str | None = None,
        types: Mapping[Any, str] | None = None,
        options: Options | None = None,
    ) -> None:
        declared = declare(inputs, outputs, types)
        if declared.scalars_only:
            raise InvalidArgument("what a ufunc's kernels are depends on each call; declare its inputs with types=")
        self.error = error
        self.pipeline = as_pipeline(pipeline)
        self.options = options or Options()
        self._signature = declared.signature(declared.graph())
        self._text: str | None = None
        self._lowered = lower(
            inputs, outputs, target=self.target, pipeline=self.pipeline, name=name or "program", types=types,
            options=self.options,
        )  # fmt: skip

    def __call__(self, *arguments: object, **by_name: object) -> object:
        raise self.error

    @property
    def reason(self) -> str:
        """Why it has no time."""
        first = " ".join(str(self.error).split()).partition(". ")[0].rstrip(".")
        return f"is compiled and not run ({first})"

    @property
    def source(self) -> str:
        """The CUDA text."""
        return self._lowered.source if self._text is None else self._text

    @property
    def is_edited(self) -> bool:
        """Whether another text stands in place of the generated one."""
        return self._text is not None

    @property
    def kernels(self) -> list[KernelFacts]:
        """Static facts about each kernel."""
        return self._lowered.kernels

    def with_source(self, text: str) -> Static:
        """The same with another text in place of the generated one."""
        made = object.__new__(Static)
        made.__dict__.update(self.__dict__, _text=text)
        return made

    def counts(self, /, *arguments: Any, **by_name: Any) -> dict[str, int]:
        """What a call has to do; see `Function.counts`."""
        return counts(self._lowered.program, self._sizes(arguments, by_name))

    def resources(self, /, *arguments: Any, **by_name: Any) -> Resources:
        """What the kernels of a call take; see `Function.resources`."""
        sizes = self._sizes(arguments, by_name)
        return resources(self._lowered.program, sizes, templates=self.options.templates, text=self._text)

    def _sizes(self, arguments: tuple[Any, ...], by_name: Mapping[str, Any]) -> dict[str, int]:
        graph, signature = self._lowered.graph, self._signature
        bound = bind(signature.arguments, arguments, by_name, signature.defaults)
        arrays = {name: as_array(name, value, graph.type(graph.inputs[name]).dtype) for name, value in bound.items()}
        return bind_dimensions(graph, {**arrays, **values(signature.shared)})
