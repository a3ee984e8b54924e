# mypy: ignore-errors
# JAX lives in an environment of its own.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.works import ADAM_EPS, BETAS, NORM_EPS


def loss(layers, x, labels, key, work):
    *hidden, (weight, bias) = layers
    act = getattr(jax.nn, work.activation)
    for w, b, *affine in hidden:
        x = x @ w.T + b
        if affine:
            centred = x - x.mean(axis=1, keepdims=True)
            x = centred * jax.lax.rsqrt(jnp.square(centred).mean(axis=1, keepdims=True) + NORM_EPS)
            x = x * affine[0] + affine[1]
        x = act(x)
        if work.dropout:
            key, now = jax.random.split(key)
            x = jnp.where(jax.random.bernoulli(now, 1 - work.dropout, x.shape), x / (1 - work.dropout), 0)
    logits = x @ weight.T + bias
    if work.binary:
        return jnp.mean(jnp.logaddexp(0, logits) - labels * logits)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


def adam(layers, state, gradients, rate):
    count, means, squares = state
    first, second = BETAS
    count = count + 1
    means = jax.tree.map(lambda m, g: first * m + (1 - first) * g, means, gradients)
    squares = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, squares, gradients)
    size, scale = rate / (1 - first**count), 1 / (1 - second**count)
    layers = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v * scale) + ADAM_EPS), layers, means, squares)
    return layers, (count, means, squares)


@partial(jax.jit, donate_argnums=0, static_argnums=3)
def train(state, x, labels, work):
    layers, key, moments = state
    now = None
    if work.dropout:
        key, now = jax.random.split(key)
    value, gradients = jax.value_and_grad(loss)(layers, x, labels, now, work)
    if work.optimizer == "Adam":
        layers, moments = adam(layers, moments, gradients, work.rate)
    else:
        layers = jax.tree.map(lambda p, g: p - work.rate * g, layers, gradients)
    return value, (layers, key, moments)


@partial(jax.jit, donate_argnums=0, static_argnums=(3, 4))
def train_many(state, x, labels, work, count):
    def body(state, _):
        value, state = train(state, x, labels, work)
        return state, value

    return jax.lax.scan(body, state, None, length=count)


@partial(jax.jit, static_argnums=4)
def multiply(layers, direction, x, labels, work):
    return jax.jvp(lambda layers: jax.grad(loss)(layers, x, labels, None, work), (layers,), (direction,))[1]


@jax.jit
def lstm(weights, x):
    """The sum of the squared outputs of an LSTM, and its gradients. Weights and their order are PyTorch's."""

    def loss(weights):
        of_input, of_state, *biases = weights

        def step(state, now):
            h, c = state
            i, f, g, o = jnp.split(now + h @ of_state.T, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[1], of_state.shape[1]), x.dtype)
        outputs = jax.lax.scan(step, (zeros, zeros), x @ of_input.T + sum(biases))[1]
        return jnp.sum(outputs * outputs)

    return jax.value_and_grad(loss)(weights)


class Net:
    def __init__(self, work, layers, x, labels):
        jax.config.update("jax_enable_x64", work.dtype == "float64")
        self.work = work
        layers = jax.tree.map(jnp.array, layers)
        zeros = partial(jax.tree.map, jnp.zeros_like)
        moments = (jnp.zeros((), work.dtype), zeros(layers), zeros(layers)) if work.optimizer == "Adam" else None
        self.state = layers, jax.random.key(0) if work.dropout else None, moments
        self.x, self.labels = jnp.array(x), jnp.array(labels)

    def step(self):
        value, self.state = train(self.state, self.x, self.labels, self.work)
        return value.block_until_ready()

    def many(self, count):
        self.state, values = train_many(self.state, self.x, self.labels, self.work, count)
        return values.block_until_ready()

    def layers(self):
        return [tuple(map(np.asarray, layer)) for layer in self.state[0]]


class Product:
    def __init__(self, work, layers, x, labels, direction):
        self.work = work
        self.given = jax.tree.map(jnp.array, (layers, direction, x, labels))

    def step(self):
        self.products = jax.block_until_ready(multiply(*self.given, self.work))

    def product(self):
        return [tuple(map(np.asarray, layer)) for layer in self.products]


class Lstm:
    def __init__(self, weights, x):
        self.given = [jnp.array(weight) for weight in weights], jnp.array(x)

    def step(self):
        self.gradients = jax.block_until_ready(lstm(*self.given))[1]
