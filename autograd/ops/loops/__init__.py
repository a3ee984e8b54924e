"""A loop over time as one operation, whose derivative is a loop, too."""
