"""Shapes, checks of arguments, text for messages, and files: used by every other folder."""
