"""Every error this package raises on purpose.

Each class derives from `GraphoptError` and from the built-in exception that a Python user would expect, so both
`except go.GraphoptError` and `except ValueError` work. A message says what was found, what was expected, where the
user built the expression, and what to do about it.
"""

__all__ = [
    "CheckFailed",
    "CompilationFailed",
    "CompilerNotFound",
    "DeviceFailed",
    "DisconnectedInput",
    "GraphoptError",
    "IndexCheckFailed",
    "IndexOutOfRange",
    "InvalidArgument",
    "MissingInput",
    "NotDifferentiable",
    "RewriteFailed",
    "ShapeMismatch",
    "TargetUnavailable",
    "TypeMismatch",
    "UnsupportedExpression",
    "UnusedInput",
    "VerificationFailed",
]


class GraphoptError(Exception):
    """Base of every error this package raises on purpose."""


class TypeMismatch(GraphoptError, TypeError):
    """A dtype, or the kind of a value, is not what the operation accepts."""


class ShapeMismatch(GraphoptError, ValueError):
    """Shapes or ranks cannot go together."""


class InvalidArgument(GraphoptError, ValueError):
    """An argument has the right kind but an impossible value."""


class IndexOutOfRange(InvalidArgument, IndexError):
    """An index lies outside an axis of known length, or there are more indices than axes."""


class UnsupportedExpression(GraphoptError, TypeError):
    """An expression contains something that has no meaning here (an imaginary unit, an unknown function, …)."""


class UnusedInput(GraphoptError, ValueError):
    """A declared input does not take part in any output."""


class MissingInput(GraphoptError, ValueError):
    """An output depends on a variable or symbol that was not declared as an input."""


class DisconnectedInput(GraphoptError, ValueError):
    """A derivative was asked for with respect to something the cost does not depend on."""


class NotDifferentiable(GraphoptError, TypeError):
    """An operation on the way from the cost to the variable has no derivative."""


class RewriteFailed(GraphoptError, RuntimeError):
    """A rule or a pass broke its contract; the graph is as it was before."""


class CheckFailed(GraphoptError, AssertionError):
    """A run-time check of the program does not hold, or a function disagrees with the interpreter (`mode="check"`)."""


class IndexCheckFailed(CheckFailed, IndexError):
    """A run-time check found an index outside its axis."""


class CompilerNotFound(GraphoptError, OSError):
    """No usable C or C++ compiler."""


class CompilationFailed(GraphoptError, RuntimeError):
    """A compiler rejected generated text, or its result could not be stored or loaded."""


class TargetUnavailable(GraphoptError, RuntimeError):
    """A target's prerequisites (a device, a driver, a toolkit) are missing."""


class DeviceFailed(GraphoptError, RuntimeError):
    """A device reported an error while running a kernel."""


class VerificationFailed(GraphoptError, AssertionError):
    """A verifier found a counterexample."""
