"""Forward mode, batches and Jacobians beside `torch.func` and JAX: one thread, float64.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.readings [--rounds 40]

Each library runs in a process of its own. Every contestant runs once in each round; a figure is the mean of the lowest
fifth of its times, by the processor's clock, and what all of them compute is compared first. What is not installed is
left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.convolution import Contestants, seconds

RNG = np.random.default_rng(0)
PARAMETERS, TIMES = np.array([1.3, 0.7, 0.2]), np.linspace(0.0, 5.0, 2000)
WEIGHTS, INPUTS, ALONG = RNG.normal(size=(4, 64, 64)) / 8, RNG.normal(size=(32, 64)), RNG.normal(size=(4, 64, 64))
IMAGES, LABELS = RNG.normal(size=(128, 784)), np.eye(10)[RNG.integers(0, 10, 128)]
FIRST, SECOND = RNG.normal(size=(100, 784)) / 28, RNG.normal(size=(10, 100)) / 10
PICTURES, KERNELS = RNG.normal(size=(32, 1, 3, 16, 16)), RNG.normal(size=(8, 3, 3, 3))
SQUARE, POINT = RNG.normal(size=(100, 100)) / 10, RNG.normal(size=100)


def works(xp: Any, array: Callable[[Any], Any], conv: Any, of: Any) -> dict[str, Callable[[], Any]]:
    """What is timed, written once for each library: ``xp`` has its functions, ``of`` its transforms."""
    times, x, w, v = array(TIMES), array(INPUTS), tuple(map(array, WEIGHTS)), tuple(map(array, ALONG))
    images, labels, first, second = map(array, (IMAGES, LABELS, FIRST, SECOND))
    pictures, kernels, square, point, p = map(array, (PICTURES, KERNELS, SQUARE, POINT, PARAMETERS))

    def model(p: Any) -> Any:
        return p[0] * xp.exp(-p[1] * times) * xp.cos(times + p[2]) + p[2] * times

    def net(*weights: Any) -> Any:
        h = x
        for weight in weights:
            h = xp.tanh(h @ weight)
        return xp.sum(h * h)

    def loss(first: Any, second: Any, image: Any, label: Any) -> Any:
        z = second @ xp.tanh(first @ image)
        return xp.log(xp.sum(xp.exp(z))) - xp.sum(z * label)

    def chain(x: Any) -> Any:
        for _ in range(100):
            x = xp.sin(x) * 1.01
        return x

    def energy(x: Any) -> Any:
        y = xp.tanh(square @ x)
        return xp.sum(y * y)

    def bent(x: Any) -> Any:
        return xp.tanh(square @ x)

    short, argnums = point[:10], (0, 1, 2, 3)
    dense = of.vmap(of.grad(loss, (0, 1)), (None, None, 0, 0))
    each = of.vmap(of.grad(lambda k, image: xp.sum(xp.tanh(conv(image, k)) ** 2)), (None, 0))
    return {
        "Jacobian, 3 to 2000 numbers, jacfwd": partial(of.jacfwd(model), p),
        "jvp, 4 layers of 64, batch 32": lambda: of.jvp(net, w, v)[1],
        "Hessian times vector, the same": lambda: of.hvp(net, w, v, argnums),
        "jvp, 200 operations on 10 numbers": lambda: of.jvp(chain, (short,), (short,))[1],
        "gradient of each of 128, 784-100-10": partial(dense, first, second, images, labels),
        "gradient of each of 32, convolution": partial(each, kernels, pictures),
        "Jacobian 100×100, jacrev": partial(of.jacrev(bent), point),
        "Hessian 100×100": partial(of.hessian(energy), point),
    }


def forward_over_reverse(library: Any) -> Callable[..., Any]:
    """The Hessian times a vector."""
    return lambda f, w, v, argnums: library.jvp(library.grad(f, argnums), w, v)[1]


def of_torch(work: str) -> Contestants:
    """PyTorch's contestant."""
    import torch

    torch.set_num_threads(1)
    library = torch.func
    made = works(
        torch, partial(torch.tensor, dtype=torch.float64), partial(torch.nn.functional.conv2d, padding=1),
        SimpleNamespace(**vars(library), hvp=forward_over_reverse(library)),
    )  # fmt: skip
    return {"torch": made[work]}


def of_jax(work: str) -> Contestants:
    """JAX's contestants."""
    import jax

    jax.config.update("jax_enable_x64", True)

    def conv(x: Any, k: Any) -> Any:
        return jax.lax.conv_general_dilated(x, k, (1, 1), "SAME")

    of, given = SimpleNamespace(**vars(jax), hvp=forward_over_reverse(jax)), []

    def kept(x: Any) -> Any:
        given.append(jax.numpy.asarray(x))
        return given[-1]

    def run(arrays: Any) -> Any:  # they are arguments, for XLA would compute with constants before the first run
        following = iter(arrays)
        return works(jax.numpy, lambda _: next(following), conv, of)[work]()

    eager, fast = works(jax.numpy, kept, conv, of)[work], jax.jit(run)
    return {"JAX": lambda: jax.block_until_ready(eager()), "JAX jit": lambda: jax.block_until_ready(fast(given))}


def of_glassgrad(work: str) -> Contestants:
    """This package's contestants."""
    from glassgrad import autograd as ag

    names = "grad", "hessian", "jacfwd", "jacrev", "jvp", "vmap"
    of = {name: getattr(ag, name) for name in names}
    hvp = lambda f, w, v, argnums: ag.hvp(f, w, v)  # noqa: E731
    made = works(ag, ag.Tensor, partial(ag.conv, padding=1), SimpleNamespace(**of, hvp=hvp))[work]
    return {"eager": made, "compiled": ag.compile(made)}


MAKERS = {"glassgrad": of_glassgrad, "torch": of_torch, "jax": of_jax}


def serve(pipe: Any, make: Callable[[str], Contestants]) -> None:
    """Answer a work with the names of its contestants, and a name with the seconds that its run took."""
    from benchmarks import convolution

    convolution.serve(pipe, make)


def flat(found: Any) -> Any:
    """The numbers of a result of any library in one array."""
    parts = found if isinstance(found, tuple | list) else [found]
    return np.concatenate([np.asarray(getattr(y, "data", y), dtype=float).ravel() for y in parts])


def check(made: dict[str, Callable[[str], Contestants]], work: str) -> None:
    """Raise where two libraries disagree."""
    results = {name: flat(run()) for make in made.values() for name, run in make(work).items()}
    expected = results["eager"]
    for name, found in results.items():
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9, err_msg=f"{work}: {name}")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.readings", description="Forward mode and batches beside torch.func and JAX."
    )
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="rounds (default: 40)")
    rounds = parser.parse_args().rounds
    made = {name: make for name, make in MAKERS.items() if importlib.util.find_spec(name)}
    packages = {"torch": "torch", "JAX": "jax", "JAX jit": "jax"}
    names = [*(name for name, package in packages.items() if package in made), "compiled"]
    print(f"{'eager ms, and what the others take of it':40}{'eager':>8}" + "".join(f"{name:>10}" for name in names))
    spawned, pipes = multiprocessing.get_context("spawn"), []
    for make in made.values():
        mine, theirs = spawned.Pipe()
        spawned.Process(target=serve, args=(theirs, make), daemon=True).start()
        pipes.append(mine)
    for work in works_of():
        check(made, work)
        found = seconds(pipes, work, rounds)
        own = found.pop("eager")
        shares = "".join(f"{found[name] / own:10.2f}" for name in names)
        print(f"{work:40}{1e3 * own:8.2f}{shares}", flush=True)
    for pipe in pipes:
        pipe.send(None)
    return 0


def works_of() -> list[str]:
    """The names of what is timed."""
    from glassgrad import autograd as ag

    of = SimpleNamespace(**{name: getattr(ag, name) for name in ("grad", "hessian", "jacfwd", "jacrev", "vmap")})
    return [*works(ag, ag.Tensor, ag.conv, of)]


if __name__ == "__main__":
    raise SystemExit(main())
