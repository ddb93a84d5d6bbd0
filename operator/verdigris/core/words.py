"""Helpers for every sentence that the operator says, and for the words of others in it."""

from __future__ import annotations

from verdigris.api.schema.text import clip, plain

__all__ = ["clip", "one_line", "plain", "sentence"]


def one_line(text: str) -> str:
    """The text of a program on one line: each run of white space is one space, and the rest is `plain`."""
    return plain(" ".join(text.split()))


def sentence(text: str) -> str:
    """With a full stop at its end, unless it has one, or is empty."""
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."
