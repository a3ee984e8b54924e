"""Examples."""


def example(module: str, name: str) -> str:
    return ""
