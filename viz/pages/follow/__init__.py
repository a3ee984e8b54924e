"""Pages that follow one example through a network, and its gradient back."""
