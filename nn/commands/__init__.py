"""The commands of `python -m glassgrad.nn`."""
