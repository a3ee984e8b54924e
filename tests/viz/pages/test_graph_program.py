"""The programs of a recorded graph, run in node: their numbers are Python's, and differences confirm every gradient."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.pages.graph_program import NotLive, graph_program, socket_key
from glassgrad.viz.recorded.scene import Scene
from tests.viz.pages.browser import evaluated, needs_node

TALK = """
const { at, fault } = given, P = graphProgram(at, see, probe), told = {};
P.run();
const of = (names, read) => Object.fromEntries(Object.keys(names).map(k => [k, [...read(k)]]));
told.value = of(at.value, P.value); told.gradient = of(at.gradient, P.gradient);
told.sent = of(at.contribution, P.sent); told.gear = of(at.gear, P.gear);
told.verdicts = {};
for (const socket in at.contribution) {
  const head = socket.split('/')[0], nudge = P.nudge[socket], sent = P.sent(socket);
  if (!nudge) continue;
  const up = P.gradient(head), entry = sent.reduce((best, v, k) => abs(v) > abs(sent[best]) ? k : best, 0);
  const along = h => {
    nudge[entry] = h; P.forward(); nudge[entry] = 0;
    return P.probed(head).reduce((sum, v, k) => sum + v * up[k], 0);
  };
  told.verdicts[socket] = verdict(along, sent[entry] * (1 + fault), 1e-3 * (1 + abs(P.probed(at.end)[0])));
}
"""


def asked(scene, fault=0.0):
    program = graph_program(scene)
    scripts = "common.js", "program.js", program.see, program.probe, TALK
    return evaluated("told", *scripts, given={"at": program.positions, "fault": fault})


def net(dtype="float64"):
    random = np.random.default_rng(0)
    model = nn.MLP([3, 4, 2])
    for p in model.parameters():
        p.data = random.normal(size=p.shape).astype(dtype)
    return ((model(ag.Tensor(random.normal(size=(2, 3)).astype(dtype), name="x")) - 1.0) ** 2).mean()


def looked_up():
    x = ag.Tensor(np.arange(6.0).reshape(3, 2) + 1.0, True, name="x")
    return ag.sum(x[np.array([0, 2, 0])] ** 2)


def shared():
    x = ag.Tensor(1.25, True, name="x")
    return x * x + ag.exp(x) * 0.5 + x


@needs_node
@pytest.mark.parametrize(
    "make", [shared, net, looked_up, lambda: net("float32"), lambda: (ag.Tensor(3.0, True) * 1e9 + shared()) * 1e-9]
)
def test_the_programs_numbers_are_pythons_and_verdicts_find_a_fault_of_a_thousandth(make):
    scene = Scene(make(), gradients=True)
    told = asked(scene)
    for card in scene.cards:
        np.testing.assert_allclose(told["value"][card.key], np.ravel(card.value), rtol=1e-5)
        if card.gradient is not None:
            np.testing.assert_allclose(told["gradient"][card.key], np.ravel(card.gradient), rtol=1e-4, atol=1e-7)
        for socket in card.sockets:
            if socket.contribution is not None:
                sent = told["sent"][socket_key(socket)]
                np.testing.assert_allclose(sent, np.ravel(socket.contribution), rtol=1e-4, atol=1e-7)
    assert set(told["verdicts"].values()) == {"right"}
    assert set(asked(scene, 1e-3)["verdicts"].values()) == {"wrong"}


@needs_node
@pytest.mark.parametrize(("fault", "verdict"), [(0.5, "kink"), (2.0, "wrong")])
def test_at_a_kink_a_gradient_is_wrong_unless_it_lies_between_the_slopes(fault, verdict):
    x = ag.Tensor(2.0, True, name="x")
    assert set(asked(Scene(ag.maximum(x, x), gradients=True), fault)["verdicts"].values()) == {verdict}
    two = "verdict(h => 2 * max(h, 0) - max(-h, 0), 0, 1e-3, 0, given)"
    assert [evaluated(two, "common.js", "program.js", given=whole) for whole in (True, False)] == ["kink", "wrong"]


@needs_node
@np.errstate(divide="ignore")
def test_minus_zero_stays_minus_zero():
    w, x = ag.Tensor(0.25, True, name="w"), ag.Tensor(-0.0, True, name="x")
    scene = Scene(ag.tanh(ag.maximum(w, 0.5 / x)), gradients=True)  # 0.5 / 0.0 is infinite, not minus infinite
    assert asked(scene)["verdicts"]["L/0"] == "right"


def test_a_graph_that_no_page_computes_says_why():
    x = ag.Tensor(np.ones(3), True, name="x")
    with pytest.raises(NotLive, match="one output that is a single number"):
        graph_program(Scene(x * 2.0, gradients=[np.ones(3)]))
