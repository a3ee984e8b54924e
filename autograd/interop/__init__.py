"""Protocols of NumPy and other libraries, and hints for their names."""
