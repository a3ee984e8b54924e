"""What watches the engine from outside: the first NaN, and the time of each operation."""
