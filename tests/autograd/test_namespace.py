"""The array API standard 2024.12, name by name: each is here, and takes what the standard says."""

from __future__ import annotations

import inspect
import re
from enum import Enum
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError

OTHERS = ("ArrayAPIStrictFlags", "Device", "broadcast_shapes", "isin")
"""Names of array-api-strict that the standard has not, or later."""

FUNCTIONS = {
    f"{prefix}{name}": inspect.signature(getattr(space, name))
    for prefix, space in (("", strict), ("linalg.", strict.linalg))
    for name in space.__all__
    if callable(getattr(space, name)) and name not in OTHERS and not name.endswith("array_api_strict_flags")
}
"""The functions of the standard and of its extension ``linalg``, with their signatures."""

CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "complex64",
    "complex128",
)  # fmt: skip

ATTRIBUTES = [name for name in vars(type(strict.ones(1))) if not re.match("_[a-z]", name) and name != "__buffer__"]


def found(name: str) -> Any:
    """The function of that name, which the namespace tells of, too."""
    module, _, last = name.rpartition(".")
    space = getattr(ag, module) if module else ag
    assert last in space.__all__
    return getattr(space, last)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_match_the_array_api(name: str) -> None:
    ours = inspect.signature(found(name))
    theirs = FUNCTIONS[name].parameters.values()
    mark = object()
    by_position = [mark for p in theirs if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = {p.name: mark for p in theirs if p.kind is p.KEYWORD_ONLY}
    ours.bind(*by_position, **by_name)
    named = {p.name: mark for p in theirs if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    ours.bind(*[mark for p in theirs if p.kind is p.POSITIONAL_ONLY], **named)
    ours.bind(*[mark for p in theirs if p.default is p.empty and p.kind is not p.VAR_POSITIONAL])
    for p in theirs:
        if p.default is not p.empty and p.name in named:
            given = ours.parameters[p.name].default
            own = (p.name == "dtype" and name in OWN_DEFAULT_DTYPE) or isinstance(p.default, Enum)  # array-api-strict's
            alike = own or given == p.default
            assert alike, f"{p.name}={given!r}, and the standard has {p.default!r}"
        if p.kind is p.VAR_POSITIONAL:
            ours.bind(mark, mark, mark)


OWN_DEFAULT_DTYPE = ("empty", "eye", "ones", "zeros")
"""What makes floats says so in its signature: the standard's None stands for float64 here."""


# ------------------------------------------------------------------------------ beside array-api-strict, for each dtype


def square(dtype: str, seed: int) -> Any:
    """A matrix of any dtype, with elements that nearly every function takes."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("complex"):
        return (rng.uniform(0.1, 0.9, (3, 3)) + 1j * rng.uniform(0.1, 0.9, (3, 3))).astype(dtype)
    if dtype.startswith("float"):
        return rng.uniform(1.1, 1.9, (3, 3)).astype(dtype)
    return rng.integers(*((0, 2) if dtype == "bool" else (1, 5)), (3, 3)).astype(dtype)


CALLS: dict[str, Any] = {
    "arange": lambda x, y: [call(3), call(1, 9, 2), call(1.5, 3), call(4, dtype="int8")],
    "asarray": lambda x, y: [call(x.tolist()) if x.dtype.kind != "c" else call(x), call(x, copy=True)],
    "astype": lambda x, y: [call(x, "float64"), call(x, "int16"), call(x, "bool")] if x.dtype.kind != "c" else [],
    "broadcast_arrays": lambda x, y: [call(x, y[:1])],
    "broadcast_to": lambda x, y: [call(x, (2, 3, 3))],
    "clip": lambda x, y: [call(x, 1, 3), call(x, y, y), call(x, max=2), call(x, y[0])],
    "concat": lambda x, y: [call([x, y]), call((x, y), axis=1), call([x, y], axis=None)],
    "eye": lambda x, y: [call(2), call(2, 3), call(3, k=-1, dtype=str(x.dtype))],
    "expand_dims": lambda x, y: [call(x), call(x, axis=-1)],
    "full": lambda x, y: [call((2, 3), x[0, 0].item()), call(2, 3, dtype=str(x.dtype))],
    "full_like": lambda x, y: [call(x, 1)],
    "linalg.cholesky": lambda x, y: [call(x @ x.T + 5 * np.eye(3, dtype=x.dtype))] if x.dtype.kind == "f" else [],
    "linalg.matrix_norm": lambda x, y: [call(x, ord=o, keepdims=o == 1) for o in ("fro", "nuc", 1, -1, 2, -2)],
    "linalg.matrix_power": lambda x, y: [call(x, n) for n in (0, 2, 3, -1)],
    "linalg.outer": lambda x, y: [call(x[0], y[1])],
    "linalg.vector_norm": lambda x, y: [call(x, ord=o, axis=1) for o in (0, 1, 2, 3, np.inf, -np.inf)] + [call(x)],
    "linspace": lambda x, y: [call(0, 1, 5), call(0.0, 2.0, num=3, endpoint=False)],
    "meshgrid": lambda x, y: [call(x[0], y[0]), call(x[0], y[0], indexing="ij")],
    "moveaxis": lambda x, y: [call(x, 0, 1)],
    "permute_dims": lambda x, y: [call(x, (1, 0)), call(x, axes=(1, 0))],
    "repeat": lambda x, y: [call(x, 2), call(x, np.array([1, 0, 2]), axis=1)],
    "reshape": lambda x, y: [call(x, (9, 1)), call(x, shape=(-1,))],
    "roll": lambda x, y: [call(x, 1), call(x, (1, 2), axis=(0, 1))],
    "searchsorted": lambda x, y: [call(np.sort(x[0]), y[0]), call(np.sort(x[0]), y, side="right")],
    "squeeze": lambda x, y: [call(x[:1], 0), call(x[:1], axis=0)],
    "stack": lambda x, y: [call([x, y]), call((x, y), axis=-1)],
    "take": lambda x, y: [call(x, np.array([2, 0]), axis=1)],
    "take_along_axis": lambda x, y: [call(x, np.array([[0], [2], [1]]))],
    "tile": lambda x, y: [call(x, (2,)), call(x, (1, 2, 2))],
    "where": lambda x, y: [call(x == y, x, y)],
}
"""How a function is called where not by arrays alone."""

VALUE_FREE = ("empty", "empty_like", "from_dlpack", "can_cast", "finfo", "iinfo", "isdtype", "result_type")


def call(*args: Any, **options: Any) -> tuple[Any, Any]:
    return args, options


def calls(name: str, dtype: str) -> list[tuple[Any, Any]]:
    """What a function is called with: its arrays, and what its parameters may be."""
    x, y = square(dtype, 0), square(dtype, 1)
    if name in ("linalg.eigh", "linalg.eigvalsh"):
        x = x + x.conj().T
    if name in CALLS:
        return CALLS[name](x, y)  # type: ignore[no-any-return]
    parameters = FUNCTIONS[name].parameters
    if name in ("ones", "zeros"):
        return [call((2, 3)), call(3, dtype=dtype)]
    arrays = [p for p in parameters.values() if p.kind is p.POSITIONAL_ONLY]
    made = [call(*(x, y)[: len(arrays)])]
    if len(arrays) == 2 and "linalg" not in name and name not in ("matmul", "tensordot", "vecdot"):
        made += [call(x, x[0, 0].item()), call(x[0, 0].item(), y)]
    options = {"axis": -1, "keepdims": True, "descending": True, "include_initial": True, "n": 2, "k": 1, "offset": 1}
    options |= {"upper": True, "full_matrices": False, "mode": "complete", "dtype": "float64", "correction": 1}
    given = {p: v for p, v in options.items() if p in parameters and (p != "dtype" or x.dtype.kind != "c")}
    axis = {"axis": 0} if "axis" in given else {}
    return [
        *made,
        *(call(*made[0][0], **axis, **{p: v}) for p, v in given.items() if p != "axis"),
        *([call(*made[0][0], axis=-1)] if axis else []),
    ]


def results(space: Any, name: str, args: Any, options: dict[str, Any], wrap: Any) -> Any:
    """What a namespace's function gives: for each result its dtype, shape and values."""

    def of(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return wrap(value)
        return type(value)(map(of, value)) if isinstance(value, list | tuple) else value

    function = space
    for part in name.split("."):
        function = getattr(function, part)
    named = {k: getattr(space, v) if k == "dtype" else of(v) for k, v in options.items()}
    args = of(args)
    if name == "astype":
        args = (args[0], getattr(space, args[1]))
    found = function(*args, **named)
    found = found if isinstance(found, tuple | list) else (found,)
    arrays = [np.asarray(value.data if isinstance(value, ag.Tensor) else value) for value in found]
    return [(str(array.dtype), array.shape, array) for array in arrays]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in VALUE_FREE and not n.startswith("__")])
def test_results_match_the_array_api(name: str) -> None:
    """For each dtype that the standard defines it for."""
    compared = 0
    for dtype in DTYPES:
        for args, options in calls(name, dtype):
            try:
                expected = results(strict, name, args, options, strict.asarray)
            except Exception:  # array-api-strict refuses what the standard does not define
                continue
            found = results(ag, name, args, options, ag.asarray)
            assert [f[:2] for f in found] == [e[:2] for e in expected], (dtype, options)
            for (_, _, ours), (kind, _, theirs) in zip(found, expected, strict=True):
                rough = 1e-4 if kind in ("float32", "complex64") else 1e-10
                if name in ("linalg.eigh", "linalg.svd"):  # of complex vectors the phases are free
                    ours, theirs = np.abs(ours), np.abs(theirs)
                np.testing.assert_allclose(ours, theirs, rtol=rough, atol=rough if "linalg" in name else 0)
            compared += 1
    assert compared


@pytest.mark.parametrize("name", [*CONSTANTS, *DTYPES])
def test_every_constant_and_dtype_of_the_standard_is_numpys(name: str) -> None:
    assert name in ag.__all__
    ours, theirs = getattr(ag, name), getattr(np, name)
    assert ours == theirs or (name == "nan" and ours != ours)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_tensor_has_every_attribute_of_the_standards_array(name: str) -> None:
    assert hasattr(ag.Tensor([[1.0]]), name)


def test_a_tensor_knows_its_namespace() -> None:
    t = ag.Tensor([1.0])
    assert t.__array_namespace__() is ag
    assert t.__array_namespace__(api_version="2024.12") is ag
    assert ag.__array_api_version__ == "2024.12"


def test_all_names_what_there_is_once() -> None:
    assert len(set(ag.__all__)) == len(ag.__all__)
    for name in ag.__all__:
        assert hasattr(ag, name)


# --------------------------------------------------------------------------------------------------------------- DLPack


def test_dlpack_shares_the_memory() -> None:
    t = ag.Tensor([1.0, 2.0])
    array = np.from_dlpack(t)
    assert np.shares_memory(array, t.data)
    assert t.__dlpack_device__() == (1, 0)
    assert [*inspect.signature(ag.Tensor.__dlpack__).parameters][1:] == ["stream", "max_version", "dl_device", "copy"]
    assert np.shares_memory(ag.from_dlpack(array).data, t.data)
    assert not np.shares_memory(ag.from_dlpack(array, copy=True).data, t.data)
    assert ag.from_dlpack(array, device="cpu").tolist() == [1.0, 2.0]
    assert np.from_dlpack(ag.Tensor(3.0)).shape == ()
    assert ag.from_dlpack(np.ones(())).item() == 1.0


# ------------------------------------------------------------------------------------------- copies, devices, operators


def test_a_copy_is_made_where_one_is_asked_for() -> None:
    t = ag.Tensor([1.0, 2.0], requires_grad=True)
    assert ag.asarray(t) is t
    copied = ag.asarray(t, copy=True)
    assert copied is not t
    assert copied.requires_grad
    assert ag.asarray(t, copy=False) is t
    array = np.ones(2)
    assert np.shares_memory(ag.asarray(array, copy=False).data, array)
    assert not np.shares_memory(ag.asarray(array, copy=True).data, array)
    assert ag.astype(t, ag.float64, copy=False) is t
    assert ag.astype(t, ag.float32, copy=False, device="cpu").dtype == ag.float32
    assert not np.shares_memory(ag.reshape(array, (2, 1), copy=True).data, array)
    with pytest.raises(DomainError, match=r"reshape can't take .* copy=False"):
        ag.reshape(np.ones((2, 3)).T, (6,), copy=False)


@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_a_dtype_is_cast_to_before(name: str) -> None:
    x = ag.Tensor(np.full(3, 16777217.0), dtype="float32", requires_grad=True)
    y = getattr(ag, name)(x, dtype=ag.float64)
    assert y.dtype == ag.float64
    y.sum().backward()
    assert x.grad.dtype == ag.float32
    assert getattr(ag, name)(ag.Tensor([1, 2]), dtype="float32").dtype == ag.float32


# --------------------------------------------------------------------------------------------- dtypes and what there is


def test_namespace_info() -> None:
    info = ag.__array_namespace_info__()
    assert info.default_device() in info.devices()
    assert set(info.dtypes()) == set(DTYPES)
    defaults = info.default_dtypes(device="cpu")
    assert ag.asarray(1.0).dtype == defaults["real floating"]
    assert ag.asarray([1]).dtype == defaults["integral"]
    assert ag.asarray(1j).dtype == defaults["complex floating"]
    assert ag.argmax(ag.Tensor([1.0])).dtype == defaults["indexing"]


def test_limits_of_a_dtype_are_numbers_of_python() -> None:
    limits = ag.finfo(ag.complex64)
    assert {type(x) for x in (limits.eps, limits.max, limits.min, limits.smallest_normal)} == {float}
    assert (limits.bits, limits.dtype, limits.eps) == (32, ag.float32, 2.0**-23)
