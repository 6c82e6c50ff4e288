"""The one exception that reaches a user."""


class SdfaError(Exception):
    """Something the user can mend. str() is one line: what is wrong, where, and what to do next."""


def amount(n: int, one: str, many: str = "") -> str:
    """1 sample, 2 samples; many: where it is not `one` and an s."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """For a terminal: names come from files that strangers made, and may hold escape sequences."""
    return "".join(c if c.isprintable() else "?" for c in text)
