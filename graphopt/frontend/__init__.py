"""Other systems' expressions as variables, and back.

`sympy_import` reads SymPy, `sympy_export` writes it. What a class of SymPy objects means is a row of a table, one file
a family: `arithmetic`, `functions`, `logic`, `sums`, `matrices`, `binding`. SymPy is loaded with the first of them that
is asked for: it takes longer to import than all the rest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.frontend.sympy_export import to_sympy
    from graphopt.frontend.sympy_import import Importer, from_sympy

__all__ = ["Importer", "from_sympy", "to_sympy"]


def __getattr__(name: str) -> Any:
    if name == "to_sympy":
        from graphopt.frontend.sympy_export import to_sympy

        return to_sympy
    if name in __all__:
        from graphopt.frontend import sympy_import

        return getattr(sympy_import, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
