"""Further readings of an operation's rule: forward mode, batches, patterns and series. None has a rule of its own."""
