"""Tensor types: text form, dtypes, broadcasting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphopt.dimensions import dim
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.types import DTYPES, TensorType, agree, broadcast, check_dtype, shape_text

SIZE = st.integers(0, 9) | st.sampled_from([dim("n"), dim("m"), 2 * dim("n") + 1, dim("n") // 2, dim("n") * dim("m")])
TYPES = st.builds(TensorType, st.sampled_from(DTYPES), st.lists(SIZE, max_size=4).map(tuple))


@given(TYPES)
def test_the_text_of_a_type_reads_back(type):
    assert TensorType.parse(str(type)) == type


@pytest.mark.parametrize(
    ("text", "dtype", "shape"),
    [
        ("float64", "float64", ()),
        (" float32[ n , 784 ] ", "float32", (dim("n"), 784)),
        ("int8[min(n, 3), 2]", "int8", None),
        ("bool[]", "bool", ()),
    ],
)
def test_types_are_read_as_written(text, dtype, shape):
    type = TensorType.parse(text)
    assert type.dtype == dtype
    assert type.shape == shape if shape is not None else type.ndim == 2


@pytest.mark.parametrize("text", ["float32[n", "float32[n,]", "float32[-1]", "float32[n**2]", "float32]n[", 3])
def test_a_type_that_cannot_be_read_is_refused(text):
    with pytest.raises((InvalidArgument, TypeMismatch)):
        TensorType.parse(text)


@pytest.mark.parametrize("dtype", ["float16", "complex128", "object", "str", "datetime64[s]", "float", None, "floaty"])
def test_a_dtype_without_meaning_here_is_refused_or_is_numpys_alias(dtype):
    if dtype in ("float", None):  # NumPy's names for float64
        assert check_dtype(dtype) == "float64"
        return
    with pytest.raises(TypeMismatch, match="not supported"):
        check_dtype(dtype)


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_side=4))
def test_broadcasting_of_integers_is_numpys(shapes):
    assert broadcast(shapes.input_shapes) == shapes.result_shape


@given(st.lists(hnp.array_shapes(min_dims=0, min_side=0, max_side=3), min_size=2, max_size=3))
def test_shapes_that_numpy_cannot_broadcast_are_refused(shapes):
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeMismatch, match="do not broadcast"):
            broadcast(shapes)
    else:
        assert broadcast(shapes) == expected


def test_only_the_integer_one_is_stretched():
    n, m = dim("n"), dim("m")
    assert broadcast([(n, 1), (1, m)]) == (n, m)
    assert broadcast([(n,), (m,)]) == (n,)  # trusted to be equal, and checked at the call
    assert broadcast([(n,), (3,)]) == (3,)
    with pytest.raises(ShapeMismatch):
        broadcast([(n,), (n + 1,)])


def test_dimensions_that_can_never_be_equal_are_refused():
    with pytest.raises(ShapeMismatch, match="sizes 3 and 4 differ"):
        agree(3, 4)
    assert agree(dim("n"), 4) == 4


def test_shapes_are_written_as_users_write_them():
    assert [shape_text(s) for s in ((), (3,), (dim("n"), 2))] == ["()", "(3,)", "(n, 2)"]
