"""A program in C: one function, compiled by the system's compiler, that runs a whole step."""
