"""The program: its values and instructions."""
