"""Simulated time that goes on for ever is an error, which names the loop that waits and what it waits for."""

from __future__ import annotations

import ast
import asyncio
import linecache
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

TESTS = Path(__file__).resolve().parent


class Endless(AssertionError):
    """What a test waited for did not come, however long it waited."""


def refuse(waited: str, frames: Iterable[FrameType], now: str = "") -> Endless:
    """The error to raise: for how long was waited, in which loop of these frames, and how things stand `now`."""
    loops = (loop for frame in frames if (loop := _loop_around(frame)) is not None)
    found = next(loops, "what was waited for did not come")
    return Endless(f"after {waited}: {found}. {now}".strip())


def callers() -> Iterator[FrameType]:
    """The frames of whoever called, from the inside out."""
    frame = sys._getframe(1).f_back
    while frame is not None:
        yield frame
        frame = frame.f_back


def waiting(loop: asyncio.AbstractEventLoop) -> Iterator[FrameType]:
    """The frames in which the tasks of an event loop wait, those of its main task first, from the inside out."""
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name())):
        yield from reversed(list(_frames_of(task.get_coro())))


def _frames_of(coroutine: Any) -> Iterator[FrameType]:
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield frame
        coroutine = coroutine.cr_await


def _loop_around(frame: FrameType) -> str | None:
    """The innermost `while` of the tests around the line at which this frame is, if there is one."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(TESTS):
        return None
    tree = ast.parse("".join(linecache.getlines(str(path))))
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.While) and node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
    ]
    if not around:
        return None
    inner = max(around, key=lambda node: node.lineno)
    return f"`while {ast.unparse(inner.test)}` at {path.relative_to(TESTS.parent)}:{inner.lineno} never ended"
