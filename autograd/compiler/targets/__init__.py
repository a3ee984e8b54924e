"""Targets: a program as code that runs."""
