"""How a function is followed: traced arrays, what is met on the way, and what is watched afterwards."""
