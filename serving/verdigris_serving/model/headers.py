"""What the first line of a CSV file tells, where it is not the one that is needed."""

from collections.abc import Sequence

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
#: Most names in a message.
_MOST = 20


def other_separator(header: Sequence[str]) -> str:
    """What separates the names of a header that was read as one name, in words; empty where nothing does."""
    if len(header) != 1:
        return ""
    return next((words for sign, words in _SEPARATORS.items() if sign in header[0]), "")


def quoted(names: Sequence[str]) -> str:
    """The names as a message lists them."""
    return ", ".join(f'"{name[:100]}"' for name in names[:_MOST]) + (", …" if len(names) > _MOST else "")
