"""What tests keep an eye on while something runs: the memory that it holds, and the threads that run it."""

import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def memory_below(most: float) -> Iterator[None]:
    """Within it, new memory of Python and NumPy never takes ``most`` bytes or more at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak:,} bytes"


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """The results of functions that run at once, each in a thread of its own. Raises the first of their errors."""
    with ThreadPoolExecutor(len(functions)) as pool:
        running = [pool.submit(function) for function in functions]
    return [each.result() for each in running]
