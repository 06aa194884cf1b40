"""SymPy expressions as variables: `from_sympy` for one, `Importer` for several that share inputs.

What stands in SymPy's normal form is read back as people write it (differences, quotients, roots); everything else is
imported as it stands, unevaluated structure included. SymPy is only looked at: nothing is simplified, rebuilt or
asked beyond what a bare symbol knows. Time is linear in the number of distinct objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy as s
from sympy.codegen.ast import Assignment, CodeBlock
from sympy.core.function import AppliedUndef

from graphopt.dimensions import symbols
from graphopt.errors import InvalidArgument
from graphopt.frontend import arithmetic, binding, functions, logic, matrices, sums
from graphopt.frontend.builder import Builder, Value
from graphopt.frontend.describe import describe, unsupported
from graphopt.frontend.form import Form, Reader, Table, nothing
from graphopt.frontend.leaves import ARRAYS, Leaves, check_leaf
from graphopt.frontend.literals import number_value
from graphopt.graph.build import collector_paused
from graphopt.types import TensorType, is_float, is_integer
from graphopt.variable import Variable

__all__ = ["Importer", "from_sympy"]

_NAMED = (s.Symbol, *ARRAYS)
_NUMBER = Form(nothing, lambda reader, node, values: number_value(node))

TABLE: Table = {
    s.Number: _NUMBER,
    s.NumberSymbol: _NUMBER,
    type(s.I): _NUMBER,
    type(s.zoo): _NUMBER,
    **arithmetic.FORMS,
    **functions.FORMS,
    **logic.FORMS,
    **sums.FORMS,
    **matrices.FORMS,
    **binding.FORMS,
}
"""How every known class of SymPy objects is read."""


class Importer:
    """Converts SymPy expressions that share their inputs.

    The same symbol is the same variable in everything one importer converts; two importers share nothing, except
    through variables given as types. Equal subexpressions become one variable.

    Parameters
    ----------
    types
        For symbols and arrays: a type such as `"float64[n]"`, or a variable that is to stand for it. Symbols that are
        not named are float64 scalars (int64 if SymPy knows them to be integers, bool where a truth value is
        expected); arrays that are not named have the shape SymPy knows, or the one their use tells, in float64.
    inputs
        Leaves that are accepted as inputs beyond symbols and arrays: applied undefined functions such as `q(t)`, and
        their derivatives.
    functions
        What undefined functions compute: from the function (or its name) to a function of variables.

    Attributes
    ----------
    variables
        Every leaf met so far with its input variable, in the order of meeting.
    """

    def __init__(
        self,
        types: Mapping[Any, str | TensorType | Variable] | None = None,
        inputs: Iterable[Any] = (),
        functions: Mapping[Any, Callable[..., Any]] | None = None,
    ) -> None:
        self._leaves = Leaves(types, inputs)
        self._builder = Builder()
        self._reader = Reader(TABLE, self._leaves, self._builder, dict(functions or {}))
        self._seen: dict[int, Any] = {}  # what was looked through: id -> the object, kept alive
        self._met: set[Any] = set()
        self._indices: set[Any] = set()

    @property
    def variables(self) -> Mapping[Any, Variable]:
        return self._leaves.variables

    def met(self, leaf: Any) -> bool:
        """Whether a leaf occurs in something that was converted."""
        return leaf in self._met

    def variable_for(self, leaf: Any) -> Variable:
        """The input variable of a leaf; the same leaf gives the same variable.

        Convert the outputs first: how an array without a shape is used tells its rank, and where a symbol stands may
        tell that it is a truth value.

        Raises
        ------
        InvalidArgument
            If SymPy's object cannot be an input.
        UnsupportedExpression
            If the rank of an array is not known.
        """
        check_leaf(leaf)
        return self._leaves.variable_for(leaf)

    def convert(self, expression: Any) -> Any:
        """The variable of an expression.

        Parameters
        ----------
        expression
            A SymPy expression, condition or matrix; a number. Lists, tuples and dicts are converted item by item, a
            `CodeBlock` of assignments to a dict by name. Variables pass.

        Returns
        -------
        Variable, list or dict

        Raises
        ------
        UnsupportedExpression
            Naming the part that has no meaning here.
        TypeMismatch, ShapeMismatch
            If types do not go together.
        """
        with collector_paused():
            return self._convert(expression)

    def _convert(self, expression: Any) -> Any:
        if isinstance(expression, Variable):
            return expression
        if isinstance(expression, Mapping) and not isinstance(expression, s.Basic):
            return {key: self._convert(item) for key, item in expression.items()}
        if isinstance(expression, list | tuple | s.Tuple):
            return [self._convert(item) for item in expression]
        if isinstance(expression, bool | int | float):
            expression = s.sympify(expression)
        if not isinstance(expression, s.Basic | s.MatrixBase):
            raise unsupported(expression, f"expected a SymPy expression, found {type(expression).__name__}")
        self._discover(expression)
        if isinstance(expression, CodeBlock | Assignment):
            assigned = binding.assignments(self._reader, expression)
            return {name: self._finished(value, expression) for name, value in assigned.items()}
        if isinstance(expression, s.Lambda):
            expression = expression.args[1]
        value = self._finished(self._reader.read(expression), expression)
        if not isinstance(expression, s.Basic):
            self._reader.forget(expression)
        return value

    def _finished(self, value: Value, expression: Any) -> Variable:
        return self._builder.variable(value)

    def _discover(self, expression: Any) -> None:
        """Look through everything once: which symbols are truth values or sizes, and what dtype lone numbers have."""
        leaves, seen = self._leaves, self._seen
        waiting = [expression]
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            if isinstance(node, s.Basic):
                seen[id(node)] = node
            if isinstance(node, _NAMED):
                self._met.add(node)
                continue
            if isinstance(node, AppliedUndef | s.Derivative) and leaves.accepts(node):
                self._met.add(node)
                continue
            if isinstance(node, s.Sum | s.Product):
                for axis in sums.bounds(node):
                    leaves.sizes |= symbols(axis.extent)
                    self._indices.add(axis.index)
                waiting.append(node.args[0])
                continue
            leaves.boolean.update(part for part in logic.truth_parts(node) if isinstance(part, s.Symbol))
            waiting.extend(node.flat() if isinstance(node, s.MatrixBase) else node.args)
        arrays = [leaf for leaf in self._met if isinstance(leaf, ARRAYS)]
        for leaf in arrays:
            for size in leaves.shape_of(leaf):
                leaves.sizes |= symbols(size)
        self._builder.dtype = _dtype_of_numbers({leaves.dtype_of(leaf) for leaf in self._met if self._is_input(leaf)})

    def _is_input(self, leaf: Any) -> bool:
        return not isinstance(leaf, s.Symbol) or not (leaf in self._indices or self._leaves.is_size(leaf))


def _dtype_of_numbers(dtypes: set[str]) -> str:
    """float32 if all floats are, int64 if there are integers alone, else float64."""
    floats = {dtype for dtype in dtypes if is_float(dtype)}
    if floats:
        return "float32" if floats == {"float32"} else "float64"
    return "int64" if any(is_integer(dtype) for dtype in dtypes) else "float64"


def from_sympy(
    expression: Any,
    types: Mapping[Any, str | TensorType | Variable] | None = None,
    inputs: Iterable[Any] = (),
    functions: Mapping[Any, Callable[..., Any]] | None = None,
) -> Variable:
    """A SymPy expression as a variable.

    Parameters
    ----------
    expression
        A SymPy expression, condition or matrix.
    types, inputs, functions
        See `Importer`. A variable may be given in place of a type, which is how several imports share an input:
        `x_ = go.variable("x", "float64"); from_sympy(x**2, types={x: x_})`.

    Raises
    ------
    UnsupportedExpression
        Naming the part that has no meaning here: complex numbers, undefined functions that are not listed, integrals.
    InvalidArgument
        If `types` names something that does not occur.
    TypeMismatch, ShapeMismatch
        If types do not go together.

    Examples
    --------
    >>> import sympy
    >>> x, y = sympy.symbols("x y")
    >>> print(from_sympy(x / y - 1))
    x / y - 1
    """
    importer = Importer(types, inputs, functions)
    result = importer.convert(expression)
    if not isinstance(result, Variable):
        raise InvalidArgument(f"{describe(expression)} is several expressions; use Importer(…).convert for them")
    if unused := [leaf for leaf in types or () if not importer.met(leaf)]:
        raise InvalidArgument(f"types names {', '.join(map(describe, unused))}, which the expression does not contain")
    return result
