"""The one exception that reaches a user."""


class SdfaError(Exception):
    """Something the user can mend. str() is one line: what is wrong, where, and what to do next."""
