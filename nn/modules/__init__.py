"""Modules, by kind."""
