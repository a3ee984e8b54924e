"""How recorded operations and their derivatives are written, as text and as LaTeX."""
