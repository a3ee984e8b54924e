"""Derivations as text and LaTeX."""
