"""The speed of glassgrad measured beside other libraries, in one run: ``python -m benchmarks``."""
