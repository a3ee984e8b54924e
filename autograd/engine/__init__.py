"""The engine: Tensors, the graph of what was computed from them, and the backward pass."""
