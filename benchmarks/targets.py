"""What glassgrad's eager mode is to reach, in one place. Each is an upper bound."""

# Time of glassgrad ÷ time of PyTorch eager, one thread, in the same run.
RATIO_TO_PYTORCH = {"A": 0.14, "C": 0.13, "B": 0.90, "D": 0.76, "E": 0.97, "G": 0.33}

# Time of glassgrad ÷ time of micrograd: F is to be below it.
RATIO_TO_MICROGRAD = {"F mlp": 1.0, "F tree": 1.0}

# Operations deep: forward and backward must come through.
DEPTH = 100_000

# Peak memory above the start on E ÷ that of the naive hand-written NumPy.
PEAK_RATIO_TO_NUMPY = 1.5

# Milliseconds that `import autograd` may take on top of `import numpy`.
IMPORT_MS_ABOVE_NUMPY = 30.0
