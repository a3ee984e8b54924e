"""The hunt: random programs over all operations, and everything that must hold of each.

``HYPOTHESIS_PROFILE=intense`` runs 20 000 of them. What was found is kept below, and runs first.
"""

from collections import Counter

from hypothesis import HealthCheck, Phase, example, given, settings

from glassgrad import autograd as ag
from glassgrad.autograd.testing import Program
from glassgrad.autograd.testing.strategies import programs
from tests import properties

# A name in the compiled source that a step had taken: the gradient called an array.
STANDARDIZED = Program.of(ag.standardize, [0.0625, 0.0625], axis=0, eps=0.1)
# The gradient by jvp is exactly 0, and by rules 2e-18: nothing to compare relatively.
CANCELLING = Program.of(ag.divide, 0.3125, 0.3125)
# The maximum of the two numbers was float64, so the result was too when the array was float32.
PROMOTED = Program.of(ag.clip, 0.0469, -1.0, [1.5])

INTENSE = settings().max_examples >= 500
COUNT = 20_000 if INTENSE else 10 * settings().max_examples


def test_every_property_holds_of_random_programs() -> None:
    applied: Counter[str] = Counter()

    @settings(
        max_examples=COUNT,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        database=None,
    )
    @example(STANDARDIZED)
    @example(CANCELLING)
    @example(PROMOTED)
    @given(programs())
    def look(program: Program) -> None:
        applied.update(["programs", *properties.check(program)])

    look()
    assert all(applied[name] > 0.9 * applied["programs"] for name in properties.PROPERTIES), "each applies to most"
