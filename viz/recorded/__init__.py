"""What a recorded graph says, as data. Draws nothing."""
