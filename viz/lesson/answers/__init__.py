"""The values that the exercises' sentences speak of.

An exercise is a function of its chapter's module. Its local names are those of ``docs/lesson/*/answers.toml``:
``answer``, the values of common mistakes, and what a sentence quotes in braces.
"""
