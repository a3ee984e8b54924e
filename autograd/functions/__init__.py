"""Functions composed of operations: they need no derivative rule of their own."""
