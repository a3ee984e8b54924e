"""Derivations: what is written is what the engine computes."""

from __future__ import annotations

import math
import pickle
import re
import shutil
import subprocess
import unicodedata
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.engine.namespace import TAKEN
from glassgrad.autograd.testing import strategies
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.formula.derivation import explain
from glassgrad.viz.graph.picture import draw_graph
from glassgrad.viz.pages.stage import step_through
from glassgrad.viz.recorded.notation.namespace import Notation
from tests.declared import declared
from tests.sampling import waiting
from tests.viz.formula.examples import EXAMPLES, KEPT, net, neuron, outline
from tests.viz.kept import assert_kept

LINE = 240


def test_a_gradient_of_a_gradient_through_a_loop_is_derived():
    cell = nn.RNN(2, 2, seed=1, dtype="float64")
    states, _ = cell(ag.Tensor(np.sin(np.arange(6.0)).reshape(3, 1, 2)))
    slope = ag.gradients(ag.sum(states**2), cell.weight_hh_l0, create_graph=True)
    assert explain(ag.sum(slope**2), wrt=cell.weight_hh_l0).check.confirmed


def assert_worth(told, **close):
    """Each formula, computed as it was written, is worth what the engine computed."""
    for line in told.backward:
        if line.right.value is not None:
            np.testing.assert_allclose(np.broadcast_to(line.right.value, line.card.shape), line.value, **close)


# ---------------------------------------------------------------- the examples


def test_every_example_has_its_text():
    assert {path.stem for path in KEPT.glob("*.txt")} == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_derivation_is_written_as_its_text_says(name):
    told = EXAMPLES[name]()
    assert_kept(KEPT / f"{name}.txt", outline(told))
    assert told.check is None or told.check.confirmed
    assert max(map(len, told.text.splitlines())) < 2 * LINE


def test_present_values_are_used_and_nothing_is_changed():
    t = neuron()
    t["w"].data = np.array(0.0)
    assert explain(t["L"], wrt=t["w"], names=t).text.startswith("∂L/∂w = -0.2875\n")
    assert t["w"].grad is None
    t["L"].backward()


# ---------------------------------------------------------------- what is written, computed

SMOOTH = {
    "sin": ag.sin, "cos": ag.cos, "σ": ag.sigmoid, "tanh": ag.tanh, "exp": lambda x: ag.exp(0.3 * x),
    "square": lambda x: 0.5 * x**2, "neg": lambda x: -x, "root": lambda x: ag.sqrt(x * x + 1.0),
    "over": lambda x: 1.0 / (2.0 + ag.cos(x)), "log": lambda x: ag.log(3.0 + ag.sin(x)),
    "cube": lambda x: (0.5 * x) ** 3,
}  # fmt: skip
PAIRS = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (1.5 + ag.sin(y)),
}


@st.composite
def scalar_graphs(draw):
    """A random graph of scalars, and one of its leaves or intermediates to differentiate by."""
    numbers = st.floats(-2, 2).map(lambda x: round(x, 2))
    leaves = [ag.Tensor(draw(numbers), requires_grad=True, name=name) for name in "pqr"]
    values = list(leaves)
    for _ in range(draw(st.integers(1, 7))):
        if draw(st.booleans()):
            values.append(SMOOTH[draw(st.sampled_from(sorted(SMOOTH)))](draw(st.sampled_from(values))))
        else:
            pair = PAIRS[draw(st.sampled_from(sorted(PAIRS)))]
            values.append(pair(draw(st.sampled_from(values)), draw(st.sampled_from(values))))
    y = values[-1]
    below = [t for t in values if t is not y and depends(y, t)]
    return y, draw(st.sampled_from(below))


def depends(y, t):
    return any(place is (t.node or t) for place in ag.Graph(y).nodes)


FUNCTIONS = {name: getattr(math, name) for name in ("sin", "cos", "exp", "log", "tanh", "sqrt")}
FUNCTIONS |= {"sigmoid": lambda x: 1 / (1 + math.exp(-x))}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def worth(text, known):
    """The value of a formula of scalars, read as a person would who knows only what the signs mean."""
    values = {f"v{i}_": known[name] for i, name in enumerate(sorted(known, key=len, reverse=True))}
    for short, name in zip(values, sorted(known, key=len, reverse=True), strict=True):
        text = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z0-9_])", short, text)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda power: f"**{power[0].translate(SUPERSCRIPTS)}", text)
    for sign, word in {"·": "*", "[": "(", "]": ")", "σ": "sigmoid", "√": "sqrt "}.items():
        text = text.replace(sign, word)
    text = re.sub(rf"({'|'.join(FUNCTIONS)})\s+(\w+)", r"\1(\2)", text)  # LaTeX has cos x without brackets
    return eval(text, FUNCTIONS | values)  # the derivation's own text


READ = {  # of groups without braces within, what stands for them in text
    r"\\frac\{\\partial ([^{}]*)\}\{\\partial ([^{}]*)\}": r"∂\1/∂\2",
    r"\\frac\{([^{}]*)\}\{([^{}]*)\}": r"((\1)/(\2))",
    r"e\^\{([^{}]*)\}": r"exp(\1)",
    r"\^\{([^{}]*)\}": lambda power: power[1].translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")),
    r"_\{([^{}]*)\}": r"\1",
    r"(?<![\w}^])\{([^{}]*)\}": r"(\1)",
}


def from_latex(tex):
    """A formula of scalars in LaTeX as one in text."""
    tex = re.sub(r"\\left|\\right|\{,\}", "", tex).replace(r"\,", "·").replace(r"\cdot", "·").replace(r"\odot", "·")
    for sign, word in {"sigma": "σ", "pi": "π", "ln": "log", "sqrt": "√"}.items():
        tex = tex.replace(f"\\{sign}", word)
    tex = re.sub(r"\\(sin|cos|tanh|exp)", r"\1 ", tex)
    while "{" in tex:
        before = tex
        for group, text in READ.items():
            tex = re.sub(group, text, tex)
        assert tex != before, tex
    return tex


@given(scalar_graphs())
def test_formulas_of_scalars_are_worth_the_gradient_and_every_path_is_counted(drawn):
    y, wrt = drawn
    told, place = explain(y, wrt=wrt), wrt.node or wrt

    def paths(node):
        return 1 if node is place else sum(paths(p) for p in node.inputs if getattr(p, "requires_grad", False))

    assert told.paths == paths(y.node)
    exact = ag.gradients(y, wrt).item()
    close = {"rel": 1e-9, "abs": 1e-12}
    assert_worth(told, rtol=1e-9, atol=1e-12)
    assert told.gradient == pytest.approx(exact, **close)
    assert told.check.confirmed
    assert sum(float(way.contribution) for way in told.ways or []) == pytest.approx(exact if told.ways else 0, **close)

    # The printed text, read by somebody else: constants have 4 digits there, and those drawn have no more.
    scene = told._scene
    known = {card.name: float(card.value) for card in scene.cards}
    known |= {f"∂L/∂{card.name}": float(card.gradient) for card in scene.cards if card.gradient is not None}
    known["π"] = math.pi
    for line in (*told.forward, *told.backward):
        left, right = line.text.split(" = ", 1)
        for formula in (right, from_latex(line.right.tex)):
            assert worth(formula, known) == pytest.approx(known[left], rel=1e-6, abs=1e-9), line.text
    if told.one_line is not None:
        tex = from_latex(told.one_line.tex)
        assert worth(tex, known) == pytest.approx(exact, rel=1e-6, abs=1e-9), told.one_line.tex
    section = re.search(r"in one line\n((?:  .*\n)+)", told.text)
    for line in section[1].splitlines() if section else [told.backward[-1].text]:
        left, *formulas = line.split(" = ")
        for formula in formulas:
            if "left out" not in line:
                assert worth(formula, known) == pytest.approx(known[left.strip()], rel=1e-6, abs=1e-9), line


@st.composite
def tensor_graphs(draw):
    """A random graph of (3, 2) Tensors and what broadcasts to them, a scalar at its end, and a leaf or intermediate."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = {"m": (3, 2), "row": (2,), "column": (3, 1), "n": ()}
    leaves = {name: ag.Tensor(rng.normal(size=shape), requires_grad=True, name=name) for name, shape in shapes.items()}
    square = ag.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name="square")
    bias = ag.Tensor(rng.normal(size=2), requires_grad=True, name="bias")
    steps = {
        "tanh": ag.tanh,
        "softmax": lambda x: ag.softmax(x, axis=-1),
        "centre": lambda x: x - ag.mean(x, axis=0, keepdims=True),
        "scaled": lambda x: x / (1.0 + ag.sum(x * x, axis=1, keepdims=True)),
        "matmul": lambda x: x @ square,
        "linear": lambda x: ag.linear(x, square, bias),
        "turned": lambda x: ag.matrix_transpose(square @ x.T),
        "flat": lambda x: ag.reshape(ag.reshape(x, shape=(6,)) * 2.0, shape=(3, 2)),
        "flip": lambda x: ag.flip(x, axis=0),
        "chosen": lambda x: ag.where(x.detach() > 0, x, 0.1 * x),
        "stacked": lambda x: ag.concat([x[1:], x[:1] * x[1:2]]),
        "einsum": lambda x: ag.einsum("ij,jk->ik", x, square),
        "relu": ag.relu,
    }
    values = [leaves["m"]]
    for _ in range(draw(st.integers(1, 6))):
        x = draw(st.sampled_from(values))
        if draw(st.booleans()):
            values.append(steps[draw(st.sampled_from(sorted(steps)))](x))
        else:
            other = draw(st.sampled_from([*values, *leaves.values()]))
            values.append(draw(st.sampled_from([PAIRS["add"], PAIRS["sub"], PAIRS["mul"]]))(x, other))
    y = ag.mean(values[-1] ** 2) if draw(st.booleans()) else ag.sum(values[-1])
    below = [t for t in [*values, *leaves.values(), square, bias] if depends(y, t)]
    return y, draw(st.sampled_from(below))


@given(tensor_graphs())
def test_formulas_of_tensors_are_worth_the_gradient(drawn):
    y, wrt = drawn
    told = explain(y, wrt=wrt)
    exact = ag.gradients(y, wrt).data
    close = {"rtol": 1e-9, "atol": 1e-12}
    assert_worth(told, **close)
    np.testing.assert_allclose(told.gradient, exact, **close)
    if told.one_line is not None and told.one_line.value is not None:
        np.testing.assert_allclose(np.broadcast_to(told.one_line.value, exact.shape), exact, **close)
    if told.ways:
        np.testing.assert_allclose(sum(way.contribution for way in told.ways), exact, **close)


# ---------------------------------------------------------------- paths, folding, size


def test_paths_are_counted_and_never_listed():
    x = ag.Tensor(1.0, requires_grad=True, name="x")
    y = x
    for _ in range(60):
        y = y + y
    told = explain(y, wrt=x)
    assert told.paths == 2**60
    assert "a sum over more than 1e18 paths" in told.text
    assert [float(way.contribution) for way in told.ways] == [2.0**59] * 2


@pytest.mark.parametrize(
    "step",
    [
        lambda values, odd: values[-1] + values[-2 - odd],  # other operands
        lambda values, odd: (ag.log2, ag.log10)[odd](values[-1] + 9.0),  # names that end in other digits
        lambda values, odd: values[-1] * (1.5 + odd),  # other constants
    ],
)
def test_different_blocks_are_not_folded(step):
    """The choice at each step is the Thue-Morse sequence, in which no block stands three times in a row."""
    x = ag.Tensor(0.3, requires_grad=True, name="x")
    values = [x, x, x]
    for i in range(40):
        values.append(step(values, i.bit_count() % 2))
    assert "as above" not in explain(values[-1], wrt=x).text


def test_a_deep_graph_is_explained():
    x = ag.Tensor(0.5, requires_grad=True, name="x")
    y = x
    for _ in range(3000):
        y = ag.sin(y)
    told = explain(y, wrt=x)
    assert "as above, 2997 times" in told.text
    assert told.gradient == pytest.approx(ag.gradients(y, x).item())


# ---------------------------------------------------------------- the check


PARTS = {"total", "part", "fit", *(name for name in dir(Notation()) if name[0] != "_")}


@pytest.mark.parametrize("name", sorted(PARTS - TAKEN))
def test_an_operation_may_have_the_name_of_a_part_of_the_notation(name):
    tripled = declared(lambda xp, x: 3.0 * x, name, x=lambda xp, g: getattr(xp, name)(g))
    x = ag.Tensor([1.0, 2.0], requires_grad=True, name="x")
    text = explain(ag.sum(tripled(ag.sin(x))), wrt=x).text
    assert f"in one line\n  ∂L/∂x = {name}(1) × cos(x)\n" in text


def test_a_wrong_rule_is_not_confirmed():
    squared = declared(lambda xp, x: x * x, "squared", x=lambda g, x: g * x)
    x = ag.Tensor(3.0, requires_grad=True, name="x")
    told = explain(squared(x), wrt=x)
    assert not told.check.confirmed
    assert "NOT CONFIRMED: central difference 6" in told.text
    assert "relative error 5e-1: a rule is wrong, or there is a kink nearby" in told.text


@pytest.mark.parametrize(
    ("function", "x", "said"),
    [
        (lambda x: x / 1e-30, -2.0, "∂L/∂x = ∂L/∂L · 1e30 "),  # not with all its digits
        (lambda x: x / 3e-17, -2.0, "∂L/∂x = ∂L/∂L · 3.333e16 "),
        (ag.log, 0.0, "∂L/∂x = inf\n"),
        (ag.log, 0.0, "not checked: nearby values are not finite"),
        (ag.log, -2.0, "not checked: nearby values are not finite"),
        (lambda x: x**3, 0.0, "rounding limits the check: "),
        (lambda x: ag.mean(ag.exp(x) * 1000), np.array([1, 2, 3], "float16"), "rounding limits the check: "),
    ],
)
def test_numbers_that_are_large_not_finite_or_rounded_are_no_fault(function, x, said):
    x = ag.Tensor(x, requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        assert said in explain(function(x), wrt=x).text


def test_float32_is_checked_in_float64():
    x = ag.Tensor(np.array(0.7, dtype=np.float32), requires_grad=True, name="x")
    assert explain(ag.sin(x) * x, wrt=x).check.error < 1e-6


# ---------------------------------------------------------------- writings


def cells(latex):
    """The equations of the displays, one by one; words and matrices are left out."""
    for body in re.findall(r"\\begin\{alignat\*\}\{\d\}\n(.*?)\n\\end\{alignat\*\}", latex, flags=re.DOTALL):
        body = re.sub(r"\\begin\{pmatrix\}.*?\\end\{pmatrix\}", "M", body)
        for row in body.split(" \\\\\n"):
            for cell in row.removeprefix("& ").split(r" && \qquad "):
                if cell and not cell.startswith(("\\text", "\\textbf")):
                    yield re.sub(r"\\text\{(?:[^{}]|\{[^{}]*\})*\}", "", cell)


@pytest.mark.parametrize("every", [6, waiting(1)])
def test_the_latex_parses(every):
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser = mathtext.MathTextParser("path")
    for told in [make() for make in EXAMPLES.values()][::every]:
        found = list(cells(told.latex))
        assert len(found) >= len(told.ways) + 4
        for cell in found:
            parser.parse(f"${cell}$")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
def test_the_document_compiles(tmp_path):
    name = ag.Tensor(2.0, requires_grad=True, name="größe_中 ^~\\ α₁")
    special = ag.Tensor(2.0, requires_grad=True, name="a%&#{}$|<>'")
    documents = [*(make() for make in EXAMPLES.values()), *(explain(x * x + x, wrt=x) for x in (name, special))]
    for i, told in enumerate(documents):
        path = told.save(tmp_path / f"d{i}.tex")
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name],
            cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_both_writings_are_saved_and_shown_in_a_notebook(tmp_path):
    t = neuron()
    told = explain(t["L"], wrt=t["w"], names=t)
    assert told.save(tmp_path / "d.txt").read_text(encoding="utf-8") == told.text == str(told)
    document = told.save(tmp_path / "d.tex").read_text(encoding="utf-8")
    assert document.startswith("\\documentclass")
    assert told.latex in document
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.tex", "d.txt"]
    shown = told._repr_mimebundle_()
    assert shown == {"text/plain": told.text, "text/latex": told.latex}
    assert shown["text/latex"].startswith("\\begin{alignat*}{1}\n")
    assert "in one line" in told.latex
    assert repr(told) == "<Derivation '∂L/∂w = -0.1058'>"


@pytest.mark.parametrize("name", ["a\nb", 'say "x"', "<b>&", "中文", "x" * 200, "a\x00b", "$$", "| *x* |"])
def test_any_name_is_shown(name):
    x = ag.Tensor([1.0, 2.0], requires_grad=True, name=name)
    told = explain(ag.sum(x * x), wrt=x)
    assert told.text.splitlines()[0].startswith("∂L/∂")
    assert all(c.isprintable() or c == "\n" or unicodedata.combining(c) for c in told.text)
    assert max(map(len, told.text.splitlines())) < 2 * LINE
    assert name in told.text or len(name) > 28 or not name.isprintable()


def test_several_gradients_are_derived_in_one_call():
    net = nn.MLP([2, 1], seed=0, dtype="float64")
    L = ag.sum(net(ag.Tensor([[1.0, 2.0]], name="x")) ** 2)
    weight, bias = net.layers[0].weight, net.layers[0].bias
    told = explain(L)  # all leaves that require grad
    assert [part.text for part in told] == [explain(L, wrt=one).text for one in (weight, bias)]
    assert told.text == "\n\n".join(part.text for part in told) == str(told)
    for wrt in ([weight, "b1"], ("W1", bias), ["layers.0.weight", "layers.0.bias"]):
        assert explain(L, wrt=wrt).latex == told.latex
    assert explain(L, wrt="layers.0.weight").text == told[0].text
    assert len(explain(L, wrt=["W1"])) == 1


def test_a_leaf_without_a_gradient_is_left_out(tmp_path):
    w, v = (ag.Tensor(2.0, requires_grad=True, name=name) for name in "wv")
    assert [part.text for part in explain(w * ag.stop_gradient(v))] == [explain(w * ag.stop_gradient(v), wrt=w).text]
    path = explain(w * v).save(tmp_path / "both.tex")
    assert all(part.latex in path.read_text(encoding="utf-8") for part in explain(w * v))


def column(n, *shape):
    return ag.Tensor(np.linspace(0.3, 1.0, int(np.prod(shape))).reshape(shape), requires_grad=True, name=n)


A, B, C, a, b, c = (column(n, *s) for n, s in zip("ABCabc", [(4, 2), (4, 2), (2, 2), (), (2,), ()], strict=True))
W, X = column("W", 3, 3), ag.Tensor(np.ones((2, 3)), name="X")
Z = X @ W


@pytest.mark.parametrize(
    ("y", "wrt", "formula"),
    [
        # Changes of shape are not written: the equations have shapes.
        (nn.functional.mse_loss(ag.sum(A * B, axis=1), np.zeros(4)), A, "0.5·(t2 - y) × B"),
        (ag.sum(-(ag.sum(A * B, axis=1) * column("v", 4))), A, "-v × B"),
        (ag.sum(ag.exp(ag.sum(C * C, axis=0))), C, "2·t3 × C"),
        # Whatever has `if` in it stands in brackets among others.
        (ag.relu(c) + c * a, c, "(1 if a1 ≠ 0 else 0) + a"),
        (ag.sum(Z + ag.relu(Z)), W, "Xᵀ·((1 if a1 ≠ 0 else 0) + 1)"),
        (ag.remainder(ag.Tensor(0.7, name="d"), c), c, "-(d // c)"),
        # Equal entries that are summed are counted.
        (ag.exp(ag.mean(column("D", 2, 3) + c)), c, "6·L / 6"),
        (ag.sum(ag.exp(ag.mean(A + b, axis=0))), b, "4·t3 / 4"),
        (ag.sum(A + c), c, "8"),
        (ag.sum(ag.log_softmax(A, axis=0)), A, "1 - 4·exp(t1)"),
        (ag.sum(ag.linear(np.ones((4, 3)), W)), W, "ones(3, 4)·x"),
        (ag.mean(ag.linear(np.ones((4, 3)), W)), W, "0.08333·ones(3, 4)·x"),
        (ag.sum(ag.tile(b, 2)) ** 2, b, "4·t2"),
        (ag.sum(ag.sum(ag.broadcast_to(b, (2, 2)), axis=1) * column("v", 2)), b, "Σ over the batch of v"),
    ],
)
def test_formulas_are_worth_what_they_say(y, wrt, formula):
    derivation = explain(y, wrt=wrt)
    assert derivation.one_line.text == formula
    assert derivation.check.confirmed


def test_vectors_have_a_product_and_matrices_a_vecdot():
    assert "t1 = vecdot(A, B)" in explain(ag.sum(ag.vecdot(A, B)), wrt=A).text
    assert "L = b·b" in explain(ag.vecdot(b, b), wrt=b).text


def test_a_single_label_is_explained():
    layer = nn.Linear(3, 4, seed=0, dtype="float64")
    y = nn.functional.cross_entropy(layer(ag.Tensor([1.0, 2.0, 3.0])), 2)
    assert explain(y, wrt=layer.weight).check.confirmed
    assert draw_graph(y, view="ops", gradients=True)
    assert step_through(y)


def test_long_names_stay_two_when_they_are_cut():
    first, second = (column(f"encoder.layers.{i}.attention.self.query.weight", 2, 2) for i in (0, 1))
    text = explain(ag.sum(first @ second), wrt=first).text
    names = re.search(r"z1 = (\S+)·(\S+)", text)
    assert names[1] != names[2]


def test_without_entries_there_is_no_check():
    empty = column("w", 0)
    assert explain(ag.sum(empty * 2.0), wrt=empty).check is None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(strategies.programs(max_outputs=1))
def test_random_programs_are_explained(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        leaves = {
            name: ag.Tensor(x, requires_grad=np.asarray(x).dtype.kind in "fc", name=name)
            for name, x in program.inputs.items()
        }
        (y,) = program(*leaves.values())
        if y.node is None or y.dtype.kind not in "f":
            return
        seed = np.ones(y.shape)
        y.backward(seed, retain_graph=True)
        leaf = next((leaf for leaf in leaves.values() if leaf.grad is not None), None)
        if leaf is None:  # as for the first argument of heaviside
            return
        assert explain(y, wrt=leaf, gradient=seed).text
        assert draw_graph(y, gradients=seed).source


def test_a_derivation_can_be_pickled():
    x = ag.Tensor(2.0, requires_grad=True, name="x")
    derived = explain(x * x + x, wrt="x")
    assert pickle.loads(pickle.dumps(derived)).text == derived.text


class TestForwardMode:
    def test_the_tangent_is_the_engines(self):
        loss, weights, _ = net(depth=2)
        direction = np.arange(4.0).reshape(2, 2)
        told = explain(loss, wrt=weights[0], mode="forward", tangent=direction)
        assert told.check.confirmed
        assert told.gradient == pytest.approx((ag.gradients(loss, weights[0]).data * direction).sum())

    def test_any_shape_any_leaf_and_no_numbers(self):
        x = ag.Tensor([1.0, 2.0], requires_grad=True, name="x")
        told = explain(ag.tanh(x), mode="forward", tangent=[0, 1], numbers=False)
        assert told[0].check is None
        assert "\n  ẋ" in str(told)
        assert "relative error" not in str(told)

    def test_values_written_since_are_told(self):
        x = ag.Tensor(2.0, requires_grad=True, name="x")
        y = ag.sin(x)
        x.data = np.array(3.0)
        assert "L was 0.9093 when it was recorded" in str(explain(y, mode="forward", wrt=x))

    def test_tangents_that_take_no_operation_or_an_array_as_index(self):
        x = ag.Tensor([1.0, 2.0], requires_grad=True, name="x")
        assert explain(x + 1.0, wrt=x, mode="forward", tangent=[3.0, 4.0]).gradient.tolist() == [3.0, 4.0]
        assert explain(x[[1, 1]] ** 2, wrt=x, mode="forward", tangent=[3.0, 4.0]).gradient.tolist() == [16.0, 16.0]
        assert explain(x[x > 1.5] ** 2, wrt=x, mode="forward", tangent=[3.0, 4.0]).gradient.tolist() == [16.0]
        with pytest.raises(DrawingError, match="the tangent of L along x is 0 in any direction"):
            explain(ag.sum(ag.floor(x)), wrt=x, mode="forward", tangent=[3.0, 4.0])
