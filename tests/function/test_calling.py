"""What a compiled function promises about its arguments and results."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T


@pytest.fixture(scope="module")
def scaled_sum():
    """s · Σ rows of x, with everything a caller can get wrong: a scalar, a matrix, one size shared by two inputs."""
    x, y, s = go.variable("x", "float64[n, 3]"), go.variable("y", "float64[n]"), go.variable("s", "float64")
    return go.function([x, y, s], s * T.sum(x, axis=1) + y)


X, Y = np.arange(6.0).reshape(2, 3), np.array([10.0, 20.0])


def test_arguments_may_be_given_by_position_or_by_name(scaled_sum):
    expected = 2 * X.sum(axis=1) + Y
    np.testing.assert_array_equal(scaled_sum(X, Y, 2.0), expected)
    np.testing.assert_array_equal(scaled_sum(X, s=2.0, y=Y), expected)


def test_lists_and_python_numbers_are_converted(scaled_sum):
    np.testing.assert_array_equal(scaled_sum(X.tolist(), [10, 20], 2), 2 * X.sum(axis=1) + Y)


@pytest.mark.parametrize(
    "layout",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1, ::-1][::-1, ::-1],
        lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
        lambda a: a.astype(">f8"),
    ],
    ids=["Fortran order", "strided", "negative strides", "unaligned", "foreign byte order"],
)
def test_arrays_of_any_memory_layout_give_the_same_result(scaled_sum, layout):
    np.testing.assert_array_equal(scaled_sum(layout(X), layout(Y.reshape(1, 2)).reshape(2), 2.0), 2 * X.sum(axis=1) + Y)


def test_a_read_only_argument_is_accepted_and_unchanged(scaled_sum):
    frozen = X.copy()
    frozen.flags.writeable = False
    scaled_sum(frozen, Y, 2.0)
    np.testing.assert_array_equal(frozen, X)


def test_results_never_share_memory_with_arguments_or_with_each_other():
    x = T.vector("x")
    f = go.function([x], [x, x, x.reshape((-1, 1))])
    given = np.arange(3.0)
    results = f(given)
    for k, result in enumerate(results):
        assert not np.may_share_memory(result, given)
        assert all(not np.may_share_memory(result, other) for other in results[k + 1 :])
        np.testing.assert_array_equal(result.ravel(), given)


def test_outputs_come_back_in_the_form_they_were_given():
    x = T.scalar("x")
    assert isinstance(go.function([x], x + 1)(1.0), np.ndarray)
    assert go.function([x], [x + 1])(1.0) == [2.0]
    assert go.function([x], {"next": x + 1, "twice": 2 * x})(1.0) == {"next": 2.0, "twice": 2.0}


def test_into_writes_to_given_arrays(scaled_sum):
    out = np.empty(2)
    assert scaled_sum.into(out, X, Y, 2.0) is out
    np.testing.assert_array_equal(out, 2 * X.sum(axis=1) + Y)


@pytest.mark.parametrize(
    ("out", "complaint"),
    [
        (np.empty(3), "needs an array"),
        (np.empty(2, np.float32), "needs an array"),
        (np.empty(4)[::2], "contiguous"),
        (Y, "shares memory"),
    ],
)
def test_into_refuses_arrays_that_do_not_fit(scaled_sum, out, complaint):
    before = out.copy()
    with pytest.raises(go.InvalidArgument, match=complaint):
        scaled_sum.into(out, X, Y, 2.0)
    np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ((X,), go.MissingInput, "missing arguments y, s"),
        ((X, Y, 1.0, 2.0), go.InvalidArgument, "at most 3 arguments"),
        ((X.astype(complex), Y, 1.0), go.TypeMismatch, "argument x has dtype complex128"),
        (([[1, 2, 3], [4]], Y, 1.0), go.TypeMismatch, "argument x is a ragged list"),
        ((X, Y.astype(np.longdouble), 1.0), go.TypeMismatch, "argument y has dtype"),
        ((X, "text", 1.0), go.TypeMismatch, "argument y has dtype"),
        ((X[0], Y, 1.0), go.ShapeMismatch, "argument x has rank 1"),
        ((X[:, :2], Y, 1.0), go.ShapeMismatch, r"argument x has shape \(2, 2\): axis 1 is 2, expected 3"),
        ((X, np.ones(5), 1.0), go.ShapeMismatch, r"argument y .* axis 0 is 5, expected n = 2 \(from axis 0 of x\)"),
    ],
)
def test_a_bad_argument_gives_one_clear_error(scaled_sum, arguments, error, complaint):
    with pytest.raises(error, match=complaint):
        scaled_sum(*arguments)


def test_an_unknown_or_repeated_name_is_named(scaled_sum):
    with pytest.raises(go.InvalidArgument, match="no argument 'z'"):
        scaled_sum(X, Y, z=1.0)
    with pytest.raises(go.InvalidArgument, match="x is given twice"):
        scaled_sum(X, Y, 1.0, x=X)


def test_narrowing_an_array_is_refused_with_what_to_do():
    f = go.function([x := go.variable("x", "float32[n]")], x + 1)
    with pytest.raises(go.TypeMismatch, match=r"\.astype\('float32'\)"):
        f(np.ones(2))
    assert f([0.5]).dtype == np.float32


@pytest.mark.parametrize(
    "names", [["b", "p", "s", "self"], ["I", "double", "a b", 'x"; system("true")'], ["0", "n", "π", "i"]]
)
def test_inputs_may_be_called_anything(names):
    variables = [go.variable(name, "float64[n, m]") for name in names]
    total = sum(T.exp(v) for v in variables)
    f = go.function(variables, T.log(total / T.sum(total, axis=1, keepdims=True)))
    arrays = [np.full((2, 3), float(k)) for k in range(len(names))]
    np.testing.assert_allclose(f(**dict(zip(names, arrays, strict=True))), np.full((2, 3), -np.log(3)))


def test_an_input_that_nothing_depends_on_is_an_error_unless_allowed():
    x, y = T.scalars("x y")
    with pytest.raises(go.UnusedInput, match="no output depends on input y"):
        go.function([x, y], x + 1)
    with pytest.warns(UserWarning, match="input y"):
        go.function([x, y], x + 1, on_unused_input="warn")
    assert go.function([x, y], x + 1, on_unused_input="ignore")(1.0, 2.0) == 2.0


@pytest.mark.parametrize(
    ("build", "error", "complaint"),
    [
        (lambda x, y: go.function([x, x], x + y), go.InvalidArgument, "stands twice"),
        (lambda x, y: go.function([x], x + y), go.MissingInput, "is not among the inputs"),
        (lambda x, y: go.function([x + 1], x), go.InvalidArgument, "not computed from others"),
        (lambda x, y: go.function([x, y], x + y, target="fpga"), go.InvalidArgument, "unknown target 'fpga'"),
        (lambda x, y: go.function([x, y], x + y, mode="fast"), go.InvalidArgument, "unknown mode"),
        (lambda x, y: go.function([x, y], x + y, name="int main()"), go.InvalidArgument, "ASCII identifier"),
        (lambda x, y: go.function([x, y], object()), go.UnsupportedExpression, "expected a variable"),
        (lambda x, y: go.function([x, y], x + y, pipeline="no-such-pass"), go.InvalidArgument, "no-such-pass"),
        (
            lambda x, y: go.function([x, y], x + y, options=go.Options(threads=0)),
            go.InvalidArgument,
            "positive integer",
        ),
    ],
)
def test_what_makes_no_function_is_refused_where_it_is_built(build, error, complaint):
    with pytest.raises(error, match=complaint):
        build(*T.vectors("x y"))


def test_check_mode_accepts_what_the_default_pipeline_does():
    x = T.matrix("x")
    f = go.function([x], T.log(T.exp(x) / T.sum(T.exp(x), axis=1, keepdims=True)), mode="check")
    assert np.isfinite(f(np.array([[1000.0, 0.0], [1.0, 2.0]]))).all()


def test_check_mode_finds_a_wrong_kernel_and_names_the_element():
    x = T.vector("x")
    f = go.function([x], x * 2 + 1, mode="check")
    with pytest.raises(go.CheckFailed, match=r"output output\[0\]"):
        f.with_source(f.source.replace("* 2.0", "* 2.5"))(np.ones(3))


def test_an_edited_source_runs_in_place_of_the_generated_one():
    x = T.vector("x")
    f = go.function([x], x * 2)
    np.testing.assert_array_equal(f.with_source(f.source.replace("* 2.0", "* 3.0"))([1.0]), [3.0])
    np.testing.assert_array_equal(f([1.0]), [2.0])


def test_text_is_stable_from_build_to_build():
    def build():
        x, y = T.matrix("x"), T.vector("y")
        return go.c_source([x, y], T.softmax(x @ y.reshape((-1, 1)), axis=0))

    assert build() == build()
