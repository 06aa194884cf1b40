"""Compile and run one function of an installed graphopt, which must not be the checkout named as the argument."""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

import graphopt as go
import graphopt.tensor as T

checkout, installed = Path(sys.argv[1]).resolve(), Path(go.__file__).resolve()
assert checkout not in installed.parents, f"{installed} is in the checkout"

missing = [
    path
    for path in (checkout / "templates").rglob("*")
    if path.is_file()
    and path.suffix not in (".py", ".pyc")
    and not files("graphopt.templates").joinpath(str(path.relative_to(checkout / "templates"))).is_file()
]
assert not missing, f"not in the wheel: {missing}"

x, w = T.matrix("x"), T.matrix("w")
e = T.exp(x @ w)
log_softmax = T.log(e / e.sum(axis=1, keepdims=True))
f = go.function([x, w], log_softmax)
found = f([[1000.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
expected = [[0.0, -1000.0], [-np.log1p(np.e), 1.0 - np.log1p(np.e)]]
np.testing.assert_allclose(found, expected, rtol=1e-14)
assert "__global__" in go.cuda_source([x, w], log_softmax)
