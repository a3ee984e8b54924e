"""The tree of errors: each is a builtin, too (which: see `tests/promises`), and the docstring draws the tree."""

import inspect
import re

from glassgrad.autograd import errors


def test_the_docstring_draws_the_tree():
    drawn = dict(re.findall(r"^ {4}[├└│ ]+── (\w+) +\((\w+)\)", errors.__doc__, re.MULTILINE))
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.AutogradError)]
    assert drawn == {c.__name__: c.__bases__[1].__name__ for c in classes if c is not errors.AutogradError}
    for kind in classes:
        base = errors.DomainError if kind is errors.AxisError else errors.AutogradError
        assert kind.__doc__
        assert kind.__bases__[0] is base or kind is errors.AutogradError
