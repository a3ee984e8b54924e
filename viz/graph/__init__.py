"""The recorded graph as a picture."""
