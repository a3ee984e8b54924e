"""Layers and losses as modules, a file for each kind."""
