# mypy: ignore-errors
# micrograd lives in an environment of its own.
from micrograd.engine import Value


class Scalars:
    def __init__(self, program, values):
        self.program = program
        self.leaves = [Value(v) for v in values]

    def step(self):
        for leaf in self.leaves:
            leaf.grad = 0
        value = self.program(self.leaves, Value.relu)
        value.backward()
        return value.data

    def gradient(self):
        return [leaf.grad for leaf in self.leaves]
