"""How anything is drawn: engines, colours and sizes, numbers as text."""
