"""Tracing: arrays without values, the recorded program, and the Python state that it depends on."""
