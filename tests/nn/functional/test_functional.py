"""Losses, dropout and one-hot labels; `tests.conformance.test_opinfo` compares values with PyTorch."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DTypeError, ShapeError
from glassgrad.nn import functional as F

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)) * 3
LABELS = np.array([0, 3, 1, 1, 2, 3])
SOFT = RNG.dirichlet(np.ones(4), size=6)


@pytest.mark.parametrize(
    ("name", "options"), [("l1_loss", {}), ("huber_loss", {"delta": 0.5}), ("huber_loss", {"delta": 3.0})], ids=str
)
def test_losses_of_a_difference_have_pytorchs_derivatives_at_their_kinks_and_in_the_tails(name, options):
    torch = pytest.importorskip("torch")
    differences = [-np.inf, -1e300, -3.0, -0.5, -0.3, 0.0, 0.3, 0.5, 3.0, 1e300, np.nan]
    ours = ag.Tensor(differences, requires_grad=True)
    theirs = torch.tensor(differences, dtype=torch.float64, requires_grad=True)
    loss = getattr(F, name)(ours, np.zeros(11), reduction="none", **options)
    with np.errstate(over="ignore"):
        expected = getattr(torch.nn.functional, name)(theirs, torch.zeros(11).double(), reduction="none", **options)
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=1e-12)
    loss.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(ours.grad.data[:-1], theirs.grad.numpy()[:-1], rtol=1e-12)


def test_the_second_derivative_of_the_huber_loss_is_one_up_to_delta():
    loss = ag.hessian(lambda d: F.huber_loss(d, np.zeros(4), reduction="sum", delta=2.0))
    np.testing.assert_array_equal(loss(np.array([0.0, 1.5, -1.0, 3.0])).data, np.diag([1.0, 1.0, 1.0, 0.0]))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"weight": np.array([0.5, 2.0, 0.0, 1.5])}, {"ignore_index": 1}], ids=str)
def test_the_negative_log_likelihood_of_a_log_softmax_is_the_cross_entropy(options, reduction):
    expected = F.cross_entropy(LOGITS, LABELS, **options, reduction=reduction)
    found = F.nll_loss(F.log_softmax(LOGITS), LABELS, **options, reduction=reduction)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-12)
    assert nn.NLLLoss(**options, reduction=reduction)(F.log_softmax(LOGITS), LABELS).tolist() == found.tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loss", [F.nll_loss, F.cross_entropy])
def test_the_mean_of_ignored_labels_alone_is_nan_without_a_warning(loss):
    logits = ag.Tensor(LOGITS, requires_grad=True)
    found = loss(logits, np.full_like(LABELS, -1), ignore_index=-1)
    found.backward()
    assert np.isnan(found.item())
    assert loss(logits, np.full_like(LABELS, -1), ignore_index=-1, reduction="sum").item() == 0


WEIGHTS = np.array([0.5, 2.0, 0.0, 1.5])
OPTIONS = [
    {"weight": WEIGHTS},
    {"label_smoothing": 0.1},
    {"label_smoothing": 1.0},
    {"weight": WEIGHTS, "label_smoothing": 0.3},
    {"ignore_index": 1},
    {"ignore_index": 3, "weight": WEIGHTS, "label_smoothing": 0.2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_of_cross_entropy_by_hand_compiled_and_to_second_order(options):
    def loss(logits):
        return F.cross_entropy(logits, LABELS, **options)

    smoothing, weight = options.get("label_smoothing", 0.0), options.get("weight", np.ones(4))
    log_prob = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))
    soft = (np.eye(4)[LABELS] * (1 - smoothing) + smoothing / 4) * weight
    kept = np.array([label != options.get("ignore_index") for label in LABELS])
    by_hand = -(soft * log_prob).sum(1)[kept].sum() / weight[LABELS[kept]].sum()
    assert loss(LOGITS).item() == pytest.approx(by_hand, rel=1e-12)
    assert ag.testing.gradgradcheck(loss, LOGITS)
    compiled = ag.compile(ag.value_and_grad(loss))
    for found, expected in zip(compiled(LOGITS), ag.value_and_grad(loss)(LOGITS), strict=True):
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-12)


def test_labels_that_are_ignored_may_be_no_class_and_send_no_gradient():
    logits = ag.Tensor(LOGITS, requires_grad=True)
    F.cross_entropy(logits, np.array([0, -100, 1, 1, -100, 3]), ignore_index=-100).backward()
    assert (logits.grad.data[[1, 4]] == 0).all()


@pytest.mark.parametrize("name", ["mse_loss", "binary_cross_entropy_with_logits", "cross_entropy"])
@pytest.mark.parametrize("target", [np.zeros(4), np.zeros((5, 3)), [0.0, 1.0, 0.0], [[0.0]]])
def test_a_refusal_names_the_loss_that_was_called(name, target):
    for given in (np.zeros((4, 2)), ag.zeros((4, 2)), np.zeros((4, 2)).tolist()):
        with pytest.raises((ShapeError, DTypeError), match=rf"^{name}\b"):
            getattr(F, name)(given, target)


X = RNG.normal(size=(6, 4, 5)) * 2 + 1


def test_a_later_batch_leaves_an_earlier_evaluations_gradient_right():
    mean, var = ag.Tensor(np.ones(4)), ag.Tensor(np.ones(4) * 4)
    w = ag.Tensor(np.ones(4), requires_grad=True)
    y = F.batch_norm(X[..., 0], mean, var, w, eps=0.0)
    F.batch_norm(X[..., 0] + 100, mean, var, training=True)
    assert (mean.data > 5).all()
    y.sum().backward()
    np.testing.assert_allclose(w.grad.data, ((X[..., 0] - 1) / 2).sum(0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.2, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(dtype, p):
    x = ag.Tensor(np.full((200, 300), 3.0), dtype=dtype, requires_grad=True)
    y = F.dropout(x, p, generator=np.random.default_rng(0))
    assert y.dtype == dtype
    kept = y.data != 0
    assert kept.mean() == pytest.approx(1 - p, abs=5 * (p * (1 - p) / kept.size) ** 0.5)
    np.testing.assert_allclose(y.data[kept], 3 / (1 - p), rtol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, kept / (1 - p), rtol=1e-6)


def test_dropout_draws_a_mask_at_each_call_and_the_graph_keeps_it():
    rng = np.random.default_rng(0)
    x = ag.Tensor(np.ones(100), requires_grad=True)
    first, second = F.dropout(x, generator=rng), F.dropout(x, generator=rng)
    assert (first.data != second.data).any()
    assert [leaf.name for leaf in first.node.inputs] == [None, "mask"]
    np.testing.assert_array_equal(ag.Graph(first).replay()[first.node].data, first.data)
    np.testing.assert_array_equal(F.dropout(x, generator=np.random.default_rng(0)).data, first.data)
    ag.testing.gradcheck(lambda x: F.dropout(x, generator=np.random.default_rng(1)), x)


def test_dropout_of_none_and_of_all():
    rng = np.random.default_rng(0)
    x = ag.Tensor(LOGITS, requires_grad=True)
    assert F.dropout(x, 0.0, generator=rng) is x
    assert F.dropout(x, 0.5, training=False, generator=rng) is x
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state
    nothing = F.dropout(x, 1.0, generator=rng)
    assert not nothing.data.any()
    nothing.sum().backward()
    assert not x.grad.data.any()


def test_one_hot():
    rows = F.one_hot(LABELS, 4)
    assert rows.dtype == ag.float32
    np.testing.assert_array_equal(rows.data, np.eye(4)[LABELS])
    assert F.one_hot(ag.Tensor([[1], [0]]), 2, dtype="int64").tolist() == [[[0, 1]], [[1, 0]]]


def test_nn_states_no_rule_and_operations_for_onnx_alone():
    texts = {path.name: path.read_text() for path in Path(nn.__file__).parent.rglob("*.py")}
    assert len(texts) > 10
    assert not [name for name, text in texts.items() if ".vjp(" in text]
    assert [name for name, text in texts.items() if "@op(" in text] == ["rows.py"]


@pytest.mark.parametrize("name", ["conv2d", "max_pool1d", "adaptive_avg_pool3d", "dropout2d"])
def test_a_function_shows_the_signature_that_it_is_called_with(name):
    assert next(iter(inspect.signature(getattr(F, name)).parameters)) == "x"
