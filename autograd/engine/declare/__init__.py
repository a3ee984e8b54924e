"""Declaring an operation, and the functions that are run when it is called."""
