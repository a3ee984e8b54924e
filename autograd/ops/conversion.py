"""The same values in another dtype or on another device."""

from __future__ import annotations

from autograd import backends
from autograd.engine.declare.operation import op


@op("astype", text="{x} as {dtype}", tex=r"{x}", level=1)
def astype(xp, x, *, dtype):
    """``x`` in another dtype. The gradient comes back in the dtype of ``x``; none passes through integers."""
    return xp.astype(x, dtype)


astype.vjp(x=lambda g: g)
astype.uneven = True  # of one argument, and yet its gradient has to be cast back


@op("→", text="{x} on {device}", tex="{x}", level=1)
def to_device(xp, x, *, device):
    """``x`` on another device; the gradient flows back to the device of ``x``."""
    return backends.to_device(x, device)


to_device.vjp(x=lambda xp, g, x: xp.to_device(g, device=backends.device_of(x)))
