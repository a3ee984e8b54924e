"""The tree of errors: each is also the builtin that a reader expects, and its docstring draws the tree as it is."""

import inspect
import re

import pytest

from glassgrad.autograd import errors

TREE = {
    "ShapeError": ValueError,
    "DTypeError": TypeError,
    "DeviceError": ValueError,
    "DomainError": ValueError,
    "IndexingError": IndexError,
    "SizeError": MemoryError,
    "WriteError": OSError,
    "DependencyError": ImportError,
    "GradientError": RuntimeError,
    "DeclarationError": TypeError,
    "TraceError": TypeError,
    "CheckError": AssertionError,
    "TargetError": NotImplementedError,
    "AnomalyError": FloatingPointError,
    "GradcheckError": AssertionError,
}


def test_the_tree_is_complete():
    found = {n for n, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.AutogradError)}
    assert found == {"AutogradError", "AxisError", *TREE}


@pytest.mark.parametrize(("name", "builtin"), TREE.items())
def test_each_is_the_builtin_that_a_reader_expects(name, builtin):
    error = getattr(errors, name)
    assert error.__bases__ == (errors.AutogradError, builtin)
    assert error.__doc__


def test_an_axis_that_does_not_exist_is_both_a_value_and_an_index():
    assert errors.AxisError.__bases__ == (errors.DomainError, IndexError)
    assert "│   └── AxisError     (IndexError)" in errors.__doc__


def test_the_docstring_draws_it():
    drawn = dict(re.findall(r"^ {4}[├└]── (\w+) +\((\w+)\)", errors.__doc__, re.MULTILINE))
    assert drawn == {name: builtin.__name__ for name, builtin in TREE.items()}
