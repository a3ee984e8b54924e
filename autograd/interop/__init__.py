"""Ways in from NumPy and other libraries."""
