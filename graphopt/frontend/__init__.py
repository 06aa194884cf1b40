"""Other systems' expressions as variables, and back.

`sympy_import` reads SymPy, `sympy_export` writes it. What a class of SymPy objects means is a row of a table, one file
a family: `arithmetic`, `functions`, `logic`, `sums`, `matrices`, `binding`.
"""

from graphopt.frontend.sympy_export import to_sympy
from graphopt.frontend.sympy_import import Importer, from_sympy

__all__ = ["Importer", "from_sympy", "to_sympy"]
