"""The content of a recorded graph as data. Draws nothing."""
