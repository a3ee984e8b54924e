"""The compiled program as a picture."""
