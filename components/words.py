"""How our pages and pictures write names and numbers. Imports nothing."""

# Of a name in a picture, characters.
LONGEST_NAME = 18


def cut(name: str, longest: int = LONGEST_NAME) -> str:
    """Cuts a name that is too long."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def counted(number: int, one: str, many: str) -> str:
    """Writes a number and what is counted."""
    return f"{number:,} {one if number == 1 else many}"


def large(number: float) -> str:
    """Writes a number as people say it: `271k`, `1.37M`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"
