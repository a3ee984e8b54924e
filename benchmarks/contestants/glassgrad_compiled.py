"""The steps of glassgrad's eager mode, each one compiled; nothing else differs."""

from typing import Any

from benchmarks.contestants import glassgrad as eager
from glassgrad import autograd as ag


class Net(eager.Net):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.step = ag.compile(super().step)  # type: ignore[method-assign]


class Product(eager.Product):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.multiply = ag.compile(super().multiply)  # type: ignore[method-assign]
