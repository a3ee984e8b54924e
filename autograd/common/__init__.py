"""Shapes, checks of arguments, text for messages, and files: what every other folder uses."""
