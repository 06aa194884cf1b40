"""Whether a contestant computes the right thing, and nothing else: no time is reported without it.

Outputs are held against a reference in structure, shape, dtype kind, non-finite pattern and value. A contestant that
hands back its own input or writes into its arguments is refused too, because what it would be timed on is not the
computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EPS_MULTIPLE", "Arguments", "Finding", "Refused", "Tolerance", "as_arrays", "check_values", "describe",
           "flatten", "observe", "validate"]  # fmt: skip

EPS_MULTIPLE = 512  # default tolerance: 512 eps of the coarser dtype, times the largest finite |value| of the reference
SHARING_WORK = 10_000  # effort for deciding whether strided arrays truly overlap; beyond it, overlapping bounds count

Array = NDArray[Any]


@dataclass(frozen=True)
class Tolerance:
    """How far outputs may be from the reference: `|output - reference| <= atol + rtol * |reference|`, elementwise.

    With neither given it is `EPS_MULTIPLE * eps * max|reference|` for floating-point outputs, with the eps of the
    coarser of both dtypes, and equality for integers and booleans. With one given, the other is 0.
    """

    rtol: float | None = None
    atol: float | None = None

    def allowed(self, reference: Array, eps: float, scale: float) -> Array | float:
        """Largest accepted absolute error, for each element or for all; `eps` is 0 for integers and booleans."""
        if self.rtol is not None or self.atol is not None:
            bound: Array = (self.atol or 0.0) + (self.rtol or 0.0) * np.abs(reference)
            return bound
        return EPS_MULTIPLE * eps * scale


@dataclass(frozen=True)
class Finding:
    """What validation found.

    Attributes
    ----------
    reason
        Why the contestant is refused; empty if it is not.
    error
        Largest `|output - reference|` over the finite elements, divided by the largest finite `|reference|` of the same
        output (absolute where that is 0); `None` if values could not be compared.
    """

    reason: str = ""
    error: float | None = None


class Refused(Exception):
    """Why a contestant takes no part any longer, in words that follow its name."""


def flatten(value: object, path: str = "output") -> Iterator[tuple[str, object]]:
    """Walk lists, tuples and dicts; yield each leaf with the path a user would write to reach it."""
    if isinstance(value, Mapping):
        for key in value:
            yield from flatten(value[key], f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from flatten(item, f"{path}[{index}]")
    else:
        yield path, value


def as_arrays(outputs: object) -> dict[str, Array]:
    """Outputs as NumPy arrays by path; raises TypeError for what is not numeric."""
    arrays = {}
    for path, leaf in flatten(outputs):
        array = np.asarray(leaf)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{path} is {type(leaf).__name__} of dtype {array.dtype}, not an array of numbers")
        arrays[path] = array
    return arrays


class Arguments:
    """The arguments that all contestants share, with a copy beside them to notice and undo writes.

    Parameters
    ----------
    positional, keywords
        What every contestant is called with. Arrays may be nested in lists, tuples and dicts.
    """

    def __init__(self, positional: tuple[object, ...] = (), keywords: Mapping[str, object] | None = None) -> None:
        self.positional = positional
        self.keywords = dict(keywords or {})
        leaves = [*flatten(positional, "argument"), *flatten(self.keywords, "argument")]
        self.arrays = {path: leaf for path, leaf in leaves if isinstance(leaf, np.ndarray) and not leaf.dtype.hasobject}
        self._originals = {path: array.copy() for path, array in self.arrays.items()}

    def call(self, contestant: Callable[..., object]) -> object:
        """Call a contestant with the arguments."""
        return contestant(*self.positional, **self.keywords)

    def written(self) -> tuple[str, ...]:
        """Paths of arguments whose bytes are no longer the original ones; these are restored."""
        changed = tuple(path for path in self.arrays if not _same_bytes(self.arrays[path], self._originals[path]))
        for path in changed:
            if self.arrays[path].flags.writeable:
                self.arrays[path][...] = self._originals[path]
        return changed

    def shared_with(self, output: Array) -> str | None:
        """Path of an argument that the output shares memory with."""
        for path, array in self.arrays.items():
            if _overlap(output, array):
                return path
        return None


def observe(contestant: Callable[..., object], arguments: Arguments) -> dict[str, Array]:
    """Call a contestant once, and return its outputs by path if it behaved.

    Parameters
    ----------
    contestant
        Called with `arguments`; returns an array or a list, tuple or dict of arrays.
    arguments
        Restored to their original values if the contestant writes into them.

    Raises
    ------
    Refused
        It raised, returned no numbers, wrote into its arguments, or handed one of them back.
    """
    try:
        outputs = as_arrays(arguments.call(contestant))
    except Exception as error:
        arguments.written()
        raise Refused(f"raised {describe(error)}") from error
    written = arguments.written()
    if written:
        raise Refused(f"writes into its {written[0]}; give it a copy to work on")
    for path, output in outputs.items():
        shared = arguments.shared_with(output)
        if shared is not None:
            raise Refused(f"{path} shares memory with {shared}; a contestant returns new arrays")
    return outputs


def validate(
    contestant: Callable[..., object], arguments: Arguments, reference: Mapping[str, Array], tolerance: Tolerance
) -> Finding:
    """Call a contestant once and hold what it did against the reference, arrays by path."""
    try:
        return check_values(observe(contestant, arguments), reference, tolerance)
    except Refused as refused:
        return Finding(str(refused))


def check_values(outputs: Mapping[str, Array], reference: Mapping[str, Array], tolerance: Tolerance) -> Finding:
    """Compare structure, shapes, dtype kinds, non-finite patterns and values of outputs with a reference."""
    if outputs.keys() != reference.keys():
        return Finding(f"returns {_listed(outputs)} where the reference returns {_listed(reference)}")
    worst = 0.0
    for path, expected in reference.items():
        finding = _check_array(path, outputs[path], expected, tolerance)
        worst = max(worst, finding.error or 0.0)
        if finding.reason:
            return finding
    return Finding(error=worst)


def describe(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _check_array(path: str, output: Array, expected: Array, tolerance: Tolerance) -> Finding:
    if output.shape != expected.shape:
        return Finding(f"{path} has shape {output.shape}, expected {expected.shape}")
    if output.dtype.kind != expected.dtype.kind:
        return Finding(f"{path} has dtype {output.dtype}, expected {expected.dtype} or another of its kind")
    ours, theirs = _components(output), _components(expected)
    special = ~np.isfinite(theirs)
    wrong = special != ~np.isfinite(ours)
    wrong |= special & ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    if wrong.any():
        return Finding(f"{path}{_first(wrong, output, expected)}: NaN or infinities in other places")
    with np.errstate(all="ignore"):
        ours, theirs = np.where(special, 0, ours), np.where(special, 0, theirs)
        distance = np.abs(ours - theirs)
        scale = float(np.max(np.abs(theirs), initial=0.0))
        largest = float(np.max(distance, initial=0.0))
        error = min(largest / scale if scale > 0 else largest, float(np.finfo(np.float64).max))
        too_far = ~(distance <= tolerance.allowed(theirs, _eps(output, expected), scale))
    if too_far.any():
        return Finding(f"{path}{_first(too_far, output, expected)}: relative error {error:.2g} is too large", error)
    return Finding(error=error)


def _components(array: Array) -> Array:
    """Values in a type wide enough to subtract them; complex ones as pairs along a new last axis."""
    if array.dtype.kind == "c":
        return np.stack([_components(array.real), _components(array.imag)], axis=-1)
    wide = np.longdouble if array.dtype.kind in "iu" and array.dtype.itemsize > 4 else np.float64
    return array.astype(np.promote_types(array.dtype, wide), copy=False)


def _eps(output: Array, expected: Array) -> float:
    if expected.dtype.kind not in "fc":
        return 0.0
    return max(float(np.finfo(output.dtype).eps), float(np.finfo(expected.dtype).eps))


def _first(marked: Array, output: Array, expected: Array) -> str:
    """Index of the first marked element with both values, as a user would write it."""
    index = tuple(int(i) for i in np.argwhere(marked)[0][: output.ndim])
    place = f"[{', '.join(map(str, index))}]" if index else ""
    return f"{place} is {output[index]!s}, expected {expected[index]!s}"


def _listed(arrays: Mapping[str, Array]) -> str:
    return ", ".join(arrays) or "nothing"


def _overlap(output: Array, argument: Array) -> bool:
    if not np.may_share_memory(output, argument):
        return False
    try:
        return bool(np.shares_memory(output, argument, max_work=SHARING_WORK))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def _same_bytes(left: Array, right: Array) -> bool:
    return bool(np.array_equal(_as_bytes(left), _as_bytes(right)))


def _as_bytes(array: Array) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
