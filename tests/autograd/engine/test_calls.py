"""How far it is from an operation to its gradient, and that each operation is called by the same text."""

import subprocess
import sys

COLD = """
import sys
from glassgrad import autograd as ag

x = ag.Tensor(1.0, requires_grad=True)
calls = []


def seen(frame, event, _):
    file, name = frame.f_code.co_filename, frame.f_code.co_name
    ours = "autograd" in file or file.startswith("<operation")
    if event == "call" and ours and not name.endswith(("comp>", "genexpr>")):
        calls.append((file, name))


def walk(step):
    sys.setprofile(seen)
    found = step()
    sys.setprofile(None)
    print(len(calls), len({file for file, _ in calls}), *calls, sep="\\n", file=sys.stderr)
    assert len(calls) <= 12 and len({file for file, _ in calls}) <= 5
    calls.clear()
    return found


y = walk(lambda: ag.sin(x))
walk(y.backward)
assert abs(x.grad.item() - 0.5403) < 1e-4
"""


def test_the_first_sine_and_its_gradient_take_twelve_calls_in_five_files_each() -> None:
    found = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
