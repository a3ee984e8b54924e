"""Broadcasting and axes, beside NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glassgrad.autograd.common import shapes
from glassgrad.autograd.errors import ShapeError


@given(st.lists(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), max_size=3))
def test_any_shapes_broadcast_or_fail_as_numpys(given_shapes):
    try:
        expected = np.broadcast_shapes(*given_shapes)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            shapes.broadcast_shapes(*given_shapes)
    else:
        assert shapes.broadcast_shapes(*given_shapes) == expected


@given(hnp.mutually_broadcastable_shapes(num_shapes=1, max_dims=4, max_side=4), hnp.array_shapes(max_dims=4))
def test_summing_the_broadcast_axes_undoes_the_broadcast(drawn, lead):
    (narrow,) = drawn.input_shapes
    wide = np.broadcast_shapes(drawn.result_shape, (*lead, *[1] * len(drawn.result_shape)))
    axes = shapes.broadcast_axes(wide, narrow)
    summed = np.ones(wide).sum(axis=axes).reshape(narrow)
    assert all(wide[a] != 1 or a < len(wide) - len(narrow) for a in axes)
    assert (summed == np.prod(wide) / max(np.prod(narrow), 1)).all()


@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0), st.data())
def test_kept_shapes_and_sizes_are_those_of_numpys_reductions(shape, data):
    axis = data.draw(
        st.none() | st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda a: a % len(shape))
        if shape
        else st.none()
    )
    axis = axis if axis is None else tuple(axis)
    x = np.ones(shape)
    assert shapes.keepdims_shape(shape, axis) == x.sum(axis=axis, keepdims=True).shape
    assert shapes.size(shape, axis) == (
        x.sum(axis=axis, keepdims=True).max(initial=0) if x.size else shapes.size(shape, axis)
    )
    assert shapes.size(shape) == x.size
