"""The steps tell what the engine did: their order, their products, their sums and the code are held against it."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd.testing import check_nodes
from glassgrad.viz.drawing import numbers
from glassgrad.viz.pages.sources import source_of
from glassgrad.viz.pages.steps import PIECE, SECTIONS, Story, is_small, sections
from glassgrad.viz.recorded.scene import Scene
from tests.operations import TABLE
from tests.sampling import sampled

OPERATIONS = sorted(name for name, op in ag.OPS.items() if op.rules and name in TABLE)


def story(y, **options):
    return Story(Scene(y, gradients=True, **options))


def matrices(told, step):
    """The arrays of a step as numbers, with full precision."""
    shown = [told.arrays.shown[part["m"]] for part in step.eq if "m" in part]
    return [np.array([[float(x) for x in line] for line in a.get("r", a["t"])]) for a in shown]


def recorded(case, name):
    arrays = [
        ag.Tensor(x, requires_grad=np.asarray(x).dtype.kind == "f") if hasattr(x, "dtype") else x for x in case.arrays
    ]
    return ag.OPS[name](*arrays, **case.params)


@pytest.mark.parametrize("name", sampled(OPERATIONS, 3))
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
@given(data=st.data())
def test_upstream_times_local_is_the_contribution_of_every_operation(name, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = recorded(data.draw(TABLE[name].cases), name)
        if y.node is None or y.dtype.kind == "c":  # pages of complex graphs are refused
            return
        seed = ag.Tensor(np.linspace(1.0, 2.0, y.size).reshape(y.shape))
        told = Story(Scene(y, gradients=seed))
    for step in told.backward:
        if step.verdict is None and not step.edges:
            continue
        assert step.words
        *factors, result = matrices(told, step) if step.link in ("mm", "lin") else (None,)
        if step.link == "mm":
            np.testing.assert_allclose(factors[0] @ factors[1], result, rtol=1e-9, atol=1e-12)
        elif step.link == "lin":
            given = [factor.ravel() for factor in factors]
            made = [
                sum(np.prod([float(f) if isinstance(f, str) else given[f[0]][f[1]] for f in parts]) for parts in terms)
                for terms in step.terms
            ]
            np.testing.assert_allclose(made, result.ravel(), rtol=1e-6, atol=1e-9)
        if step.code is not None:
            assert step.code[0].strip()


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_code_of_every_rule_and_forward_is_found(name):
    op = ag.OPS[name]
    body, where = source_of(op.forward)
    assert where.startswith("glassgrad.autograd.")
    assert '"""' not in body
    for argument, (rule, _) in op.rules.items():
        said, _ = source_of(rule)
        assert (
            f"{argument}=lambda" if rule.__name__ == "<lambda>" else f"def {inspect.unwrap(rule).__name__}("
        ) in said


def test_a_line_names_the_parameters_that_a_rule_passes_on():
    x = ag.Tensor(np.arange(16.0).reshape(1, 1, 4, 4), True, name="x")
    story = Story(Scene(ag.sum(ag.max_pool(x, size=(2, 2), stride=(2, 2))), gradients=True), [])
    assert story.backward[-1].line == "x.grad = max_unpool(t1.grad, x, size=(2, 2), stride=(2, 2))"


@pytest.mark.parametrize("name", [r"\mu", r"C:\Users", r"\g<0>", r"\1", "G"])
def test_a_name_is_data_in_the_lines_of_code(name):
    x = ag.Tensor([1.0, 2.0], requires_grad=True, name="x")
    cubes = x**3  # whose rule is no lambda
    cubes.name = name
    lines = [step.line for step in story(ag.sum(ag.exp(cubes))).backward]
    assert f"x.grad = 3 * {name}.grad * x**2" in lines


def test_a_value_called_g_is_not_taken_for_the_upstream_gradient():
    g, x = (ag.Tensor([1.0, 2.0], requires_grad=True, name=name) for name in "Gx")
    forms = [step.form for step in story(ag.sum(ag.exp(x * g))).backward]
    assert "∂L/∂x = G × G" in forms


def test_the_order_is_that_of_backward():
    x = ag.Tensor(3.0, requires_grad=True, name="x")
    y = x * x + x
    told = story(y)
    walked = []
    for node, _, parts in ag.backward_steps([y], [np.float64(1.0)]):
        for place, part in zip(node.inputs, parts, strict=False):
            if part is not None:
                walked.append((node, place, float(part)))
    sent = [step for step in told.backward if step.edges]
    assert [step.card.node for step in sent] == [node for node, _, _ in walked]
    assert [float(matrices(told, step)[-1][0, 0]) for step in sent] == [part for _, _, part in walked]
    assert [step.tag for step in told.forward] == ["t1", "L"]


def test_accumulation_is_a_step_of_its_own():
    x = ag.Tensor(3.0, requires_grad=True, name="x")
    told = story(x * x + x)
    seed, *sent, last = told.backward
    assert seed.title == "The gradient starts at L"
    assert [step.form for step in sent[1:]] == [
        "addend 3 of ∂L/∂x = ∂L/∂L · 1",  # numbered as on the card
        "addend 1 of ∂L/∂x = ∂L/∂t1 · x",
        "addend 2 of ∂L/∂x = ∂L/∂t1 · x",
    ]
    assert [step.complete for step in sent[1:]] == [None] * 3, "what is not complete has no size yet"
    assert last.title == "3 gradients meet at x"
    numbers = [told.arrays.shown[int(n)]["t"] for n in re.findall(r"⟦(\d+)⟧", last.form)]
    assert re.sub(r"⟦\d+⟧", "…", last.form) == "∂L/∂x = … + … + … = …"
    assert numbers == [[["3"]], [["3"]], [["1"]], [["7"]]]
    assert last.complete is not None
    assert last.code is not None
    assert "totals" in last.code[0]
    *parts, total = matrices(told, last)
    assert sum(parts) == total == 7


def test_the_addends_of_an_array_are_written_in_the_order_of_its_card():
    w = ag.Tensor(np.ones((2, 2)), requires_grad=True, name="w")
    a = ag.tanh(ag.asarray([[1.0, 2.0]]) @ w)
    told = story((a @ w - a).sum(), names={"a": a})
    forms = {step.title: step.form for step in told.backward if "meet" in step.title}
    assert forms == {
        "2 gradients meet at a": "∂L/∂a = (∂L/∂z2)·wᵀ - ∂L/∂t1",
        "2 gradients meet at w": "∂L/∂w = xᵀ·(∂L/∂z1) + aᵀ·(∂L/∂z2)",
    }


def test_a_negative_slope_is_written_in_brackets():
    x = ag.Tensor(3.0, requires_grad=True, name="x")
    assert [step.form for step in story((1 - x) ** 2).backward][-1] == "∂L/∂x = ∂L/∂t1 · (-1)"


def test_many_addends_are_three_and_the_rest():
    x = ag.Tensor(2.0, requires_grad=True, name="x")
    y = x * 1.0
    for k in range(2, 8):
        y = y + x * float(k)
    last = story(y).backward[-1]
    assert [part["l"] for part in last.eq if "m" in part][-2:] == ["4 more", "∂L/∂x"]
    *parts, total = matrices(story(y), last)
    assert sum(parts) == total == 28


def test_an_output_that_is_used_again_adds_its_seed():
    x = ag.Tensor(3.0, requires_grad=True, name="x")
    a = x * x
    told = story([a, a * 2.0], names={"a": a})
    titles = [step.title for step in told.backward]
    assert sum(title.startswith("The gradient starts at") for title in titles) == 2
    a_card = told.scene.card(a.node)
    assert float(a_card.gradient) == 3.0
    complete = [step for step in told.backward if step.complete is a_card]
    assert len(complete) == 1
    *parts, total = matrices(told, complete[0])
    assert sum(parts) == total == 3.0


def test_an_entry_is_written_with_places_for_its_numbers():
    x = ag.Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="x")
    b = ag.Tensor([10.0, 20.0], requires_grad=True, name="b")
    told = story(ag.sum(ag.sigmoid(x + b)))
    added, squashed, _ = told.forward
    assert (added.terms, squashed.terms) == (["⟦0⟧ + ⟦1⟧"], ["σ(⟦0⟧)"])


def test_words_say_what_broadcasting_did_and_what_is_kept():
    x = ag.Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="x")
    b = ag.Tensor([10.0, 20.0], requires_grad=True, name="b")
    told = story(ag.sum(ag.tanh(x * b)))
    by_title = {step.title: step for step in told.backward}
    words = by_title["Multiply t1 sends its gradient to b"].words
    assert "was broadcast to the shape of t1, so its gradient is the sum over the broadcast axes." in words
    assert by_title["Multiply t1 sends its gradient to b"].form == "∂L/∂b = Σ(G × x)"
    assert told.forward[0].words == "Elementwise product. Kept for the backward pass: x and b."


def test_the_code_of_a_forward_begins_at_its_line():
    code, where = source_of(ag.OPS["linear"].forward)
    first, second, *_, last = code.splitlines()
    assert (second, last) == ("def linear(xp, x, weight, bias=None):", "    return z")
    file = Path(inspect.getsourcefile(ag.OPS["linear"].forward))
    assert file.read_text().splitlines()[int(where.rpartition(" ")[2]) - 1] == first


def test_only_what_a_rule_will_ask_for_is_kept():
    w, x = ag.Tensor(2.0, requires_grad=True, name="w"), ag.Tensor(3.0, name="x")
    product = w * x
    assert [saved is None for saved in product.node.saved] == [True, False]
    assert story(product).forward[0].words == "Elementwise product. Kept for the backward pass: x."


def test_a_vector_times_a_vector_is_told_as_the_matrix_product_that_it_is():
    W = ag.Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True, name="W")
    h = ag.Tensor([7.0, 8.0, 9.0], name="h")
    told = story(ag.sum((W @ h) ** 2))
    step = told.backward[-1]
    assert (step.form, step.link) == ("∂L/∂W = G·hᵀ", "mm")
    g, row, result = matrices(told, step)
    assert (g.shape, row.shape) == ((2, 1), (1, 3))
    np.testing.assert_allclose(g @ row, result)


def test_large_arrays_have_their_largest_entry_written_out():
    random = np.random.default_rng(0)
    x = ag.Tensor(random.standard_normal((30, 20)), name="x")
    w = ag.Tensor(random.standard_normal((20, 9)), requires_grad=True, name="w")
    told = story(ag.sum(ag.tanh(x @ w)))
    step = next(step for step in told.backward if step.tag == "w")
    assert step.link == ""
    assert step.entry.startswith("the largest entry, (")
    assert "+ 27 more = " in step.entry
    largest = np.abs(told.scene.card(w).gradient).max()
    assert step.entry.endswith(numbers.scalar(largest)) or step.entry.endswith(numbers.scalar(-largest))
    assert not is_small(np.zeros((30, 20)))


def test_the_gradient_that_a_loop_sends_is_not_called_its_local_derivative():
    w = ag.Tensor([[0.5, -0.2], [0.1, 0.3]], requires_grad=True, name="w")
    h, _ = ag.scan(lambda h, x: (ag.tanh(h @ w + x), h), ag.Tensor(np.zeros(2)), ag.Tensor(np.ones((3, 2))))
    sent = [step for step in story(ag.sum(h * h)).backward if step.title.startswith("Scan")]
    assert [step.title for step in sent] == ["Scan t1 sends its gradient to w"]
    assert "local derivative is" not in sent[0].words
    assert sent[0].words.startswith("An entry of w may reach several entries of t1")


def test_verdicts_are_those_of_check_nodes():
    w = ag.Tensor(0.0, requires_grad=True, name="w")
    y = ag.relu(w) * 2.0
    told = Story(Scene(y, gradients=True), check_nodes(y))
    kinds = {step.tag: step.verdict for step in told.backward}
    assert kinds["L"] is None
    assert kinds["w"].kind == "kink"
    assert "the slope is 0 below and 1 above" in kinds["w"].words
    assert (kinds["a1"].kind, kinds["a1"].words[:24]) == ("ok", "central difference agree")


def test_sections_follow_modules_and_none_is_too_long():
    a = ag.Tensor([1.0, 2.0], requires_grad=True)
    for block in range(30):
        with ag.scope(f"blocks.{block}", "Block"):
            for _ in range(3):
                a = ag.tanh(a * 1.1)
    made = sections(Scene(ag.sum(a), gradients=True))
    assert [s.title for s in made[:2]] == ["Block 1", "Block 2"]
    assert (made[0].path, len(made[0].cards), len(made)) == ("blocks.0", 6, 31)
    for _ in range(500):
        with ag.scope("loop", "Loop"), ag.scope("loop.step", "Step"):
            a = ag.tanh(a)
    made = sections(Scene(ag.sum(a), gradients=True))
    assert len(made) <= SECTIONS
    cards = [card for section in made for card in section.cards]
    assert len(cards) == len(set(cards)) == 30 * 6 + 500 + 1
    assert max(len(section.cards) for section in made) <= 60
    assert any(section.title.startswith("Step, 1") and len(section.cards) == PIECE for section in made)


def test_a_section_has_the_name_of_its_module_however_deep_the_others_are():
    a = ag.Tensor([1.0, 2.0], requires_grad=True)
    with ag.scope("stft", "stft"):
        a = ag.tanh(a * 1.1)
    with ag.scope("encoder", "encoder"):
        with ag.scope("encoder.0", "Conv"):
            a = ag.tanh(a * 1.1)
        a = ag.exp(a + a)
    made = sections(Scene(ag.sum(a * a), gradients=True))
    assert [(s.title, s.path) for s in made] == [
        ("stft", "stft"),
        ("Conv", "encoder.0"),
        ("encoder", "encoder"),
        ("Operations 7 to 8", ""),
    ]


class TestWindows:
    """Convolution and pooling: the terms of every entry, forward and backward."""

    def told(self):
        rng = np.random.default_rng(0)
        x = ag.Tensor(rng.normal(size=(1, 2, 5, 5)), requires_grad=True, name="x")
        w = ag.Tensor(rng.normal(size=(2, 2, 3, 3)), requires_grad=True, name="w")
        b = ag.Tensor(rng.normal(size=2), requires_grad=True, name="b")
        y = ag.OPS["max_pool"](ag.conv(x, w, b, padding=1), size=2, stride=1)
        return story(ag.sum(y * y), inputs=[x])

    def test_the_terms_add_up_to_every_entry(self):
        told = self.told()
        steps = [step for step in (*told.forward, *told.backward) if step.link in ("win", "max")]
        assert [(step.phase, step.tag, step.link) for step in steps] == [
            ("f", "z1", "win"), ("f", "t1", "max"), ("b", "z1", "win"), ("b", "x", "win"), ("b", "w", "win"),
        ]  # fmt: skip
        for step in steps:
            *arrays, result = (matrix.ravel() for matrix in matrices(told, step))
            for terms, entry in zip(step.terms, result, strict=True):
                products = [np.prod([arrays[m][k] for m, k in factors]) for factors in terms]
                assert (max(products) if step.link == "max" else sum(products)) == pytest.approx(entry)

    def test_words_say_the_formula(self):
        told = self.told()
        (step,) = (step for step in told.backward if step.tag == "w")
        assert "∂L/∂w[o,c,i,j] = Σ_{n,p,q} G[n,o,p,q] · x[n,c,p+i-1,q+j-1]" in step.words
        (step,) = (step for step in told.backward if step.tag == "z1")
        assert "the largest of its window" in step.words

    def test_large_arrays_have_no_terms(self):
        x = ag.Tensor(np.ones((1, 1, 30, 30)), name="x")
        y = ag.conv(x, ag.Tensor(np.ones((1, 1, 3, 3)), requires_grad=True, name="w"))
        told = story(ag.sum(y))
        assert not any(step.link == "win" for step in (*told.forward, *told.backward))
