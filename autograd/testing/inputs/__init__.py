"""Random inputs of operations: declarations of their arguments, and calls drawn from these."""
