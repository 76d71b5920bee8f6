"""What is said to a person beside the results: one line each, on stderr."""

import sys


def error(message: object) -> None:
    """Says what went wrong.

    Args:
        message: a text or an exception.

    Example:
        >>> error("there is no such photo")  # doctest: +SKIP
        vild: error: there is no such photo
    """
    _say("error", message)


def warning(message: object) -> None:
    """Says what may surprise.

    Args:
        message: a text or a warning.
    """
    _say("warning", message)


def note(message: object) -> None:
    """Says what is good to know.

    Args:
        message: a text.
    """
    _say("note", message)


def _say(kind: str, message: object) -> None:
    print(f"vild: {kind}: {' '.join(str(message).split())}", file=sys.stderr)
