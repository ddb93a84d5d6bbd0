"""Following the cluster: one kubectl for each thing that is watched, whose documents come together in one queue."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Union

from verdigris.cli.documents import Documents
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Asked, Kubectl, end
from verdigris.cli.refusals import Unreachable, failure

AGAIN = 1.0
"""Seconds until a watch that has ended is begun anew."""


@dataclass(frozen=True)
class Change:
    """`type` is ADDED, MODIFIED or DELETED; `source` the name under which it was asked for."""

    source: str
    type: str
    object: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """A watch has failed for good."""

    source: str
    error: CliError


@dataclass(frozen=True)
class Away:
    """A watch that had begun has lost its server. It is begun again until that is back."""

    source: str
    error: CliError


@dataclass(frozen=True)
class Anew:
    """A watch begins (again): what is not told now is gone."""

    source: str


News = Union[Change, Ended, Away, Anew]


class Watches:
    """Context manager over several watches. Each goes on after the API server has ended it, which it does now and then.

    A watch that is refused ends with `Ended`, as does one that never reached a server; later that is only `Away`.
    """

    def __init__(
        self, kubectl: Kubectl, asked: Mapping[str, Asked], pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._kubectl = kubectl
        self._asked = dict(asked)
        self._news: queue.Queue[News] = queue.Queue()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._heard: set[str] = set()
        self._over = threading.Event()
        self._pause = pause

    def __enter__(self) -> Watches:
        for source in self._asked:
            self._processes[source] = self._begun(source)
        for source in self._asked:
            threading.Thread(target=self._follow, args=(source,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End each kubectl. What has come already can still be taken."""
        self._over.set()
        for process in list(self._processes.values()):
            if process.poll() is None:
                process.terminate()

    def next(self, within: float) -> list[News]:
        """What has come; waits up to so many seconds for the first. Empty when nothing has."""
        try:
            news = [self._news.get(timeout=max(0.0, within))]
        except queue.Empty:
            return []
        while not self._news.empty():
            # Nobody else takes from it.
            news.append(self._news.get_nowait())
        return news

    def _begun(self, source: str) -> subprocess.Popen[str]:
        self._news.put(Anew(source))
        return self._kubectl.start(self._asked[source])

    def _follow(self, source: str) -> None:
        while True:
            process = self._processes[source]
            error = self._read(source, process) or self._ending(source, process)
            if error is not None and not (isinstance(error, Unreachable) and source in self._heard):
                self._news.put(Ended(source, error))
                return
            if error is not None:
                self._news.put(Away(source, error))
            self._pause(AGAIN)
            if self._over.is_set():
                return
            try:
                self._processes[source] = self._begun(source)
            except CliError as problem:
                self._news.put(Ended(source, problem))
                return

    def _read(self, source: str, process: subprocess.Popen[str]) -> CliError | None:
        documents = Documents()
        assert process.stdout is not None
        try:
            # By lines, and not by blocks: the end of a document must not wait for the next one.
            for event in (event for line in process.stdout for event in documents.feed(line)):
                if event.get("type") == "ERROR":
                    # Of the watch itself, mostly that it has grown too old.
                    process.terminate()
                    process.wait()
                    return None
                self._heard.add(source)
                self._news.put(Change(source, str(event.get("type")), event.get("object") or {}))
        except ValueError as error:
            return CliError(f"kubectl wrote what is no watch event ({error}): it needs version 1.16 or newer.")
        return None

    def _ending(self, source: str, process: subprocess.Popen[str]) -> CliError | None:
        """Why it has ended; None when it may simply be begun again."""
        if (process.poll() or 0) < 0:
            # We have ended it ourselves; what it started may still hold its stderr open.
            return None
        stderr = process.stderr.read() if process.stderr is not None else ""
        code = process.wait()
        end(process)
        return failure(stderr, self._asked[source].purpose) if code else None
