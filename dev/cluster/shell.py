"""Run commands, wait for conditions and tell a person what is going on."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.cluster.patience import hold_out


class ClusterError(Exception):
    """A step failed; the text says what is wrong, where, and what to do."""


_started = time.monotonic()
_print_lock = threading.Lock()


def say(text: str) -> None:
    """Print one progress line with the seconds since this command began (to stderr: stdout is for results)."""
    with _print_lock:
        print(f"[{time.monotonic() - _started:6.1f} s] {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say that something slow begins, and how long it took when it is over."""
    say(f"{text} ...")
    begin = time.monotonic()
    yield
    say(f"{text}: done in {time.monotonic() - begin:.1f} s")


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Keep two commands from doing the same thing at once: the second waits, and says so."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another command is at this already: waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment and `more`, with the administrator's programs on PATH (not everybody has them)."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin", **(more or {})}


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command to its end and return its stdout.

    `env` is added to this process's environment. Raises ClusterError with what the command said.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            env=environment(env),
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{words[0]}: no such program. Is it installed and on PATH?") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{' '.join(words)[:200]}` did not end within {timeout:g} s.") from error
    if done.returncode != 0:
        said = _shortened(done.stderr.strip() or done.stdout.strip())
        raise ClusterError(f"`{' '.join(words)[:300]}` ended with {done.returncode}: {said}")
    return done.stdout


def _shortened(text: str, size: int = 2000) -> str:
    """The text without its middle when it is long: an error names its subject first and its cause last."""
    return text if len(text) <= size else f"{text[: size // 2]} … {text[-size // 2 :]}"


def succeeds(argv: Sequence[str | Path], *, timeout: float = 30, env: Mapping[str, str] | None = None) -> bool:
    """Whether a command ends with 0; what it says is of no interest."""
    try:
        run(argv, timeout=timeout, env=env)
    except ClusterError:
        return False
    return True


def run_logged(
    argv: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a long command with its output in a file. Raises ClusterError that names the file and quotes its end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in argv]
    with log.open("w") as out:
        out.write(f"$ {' '.join(words)}\n")
        out.flush()
        code = subprocess.call(
            words,
            env=environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    if code != 0:
        raise ClusterError(f"`{' '.join(words)[:200]}` ended with {code}; all it said is in {log}:\n{tail(log)}")


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a text file, or "" when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16384))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def wait_for(what: str, check: Callable[[], bool], *, timeout: float, hint: str = "", interval: float = 0.1) -> None:
    """Ask `check` again and again until it says yes. Raises ClusterError with `hint` when it has not after `timeout`
    seconds, stretched to this machine's pace."""
    began = time.monotonic()
    if not hold_out(check, timeout, every=interval):
        raise ClusterError(f"Waited {time.monotonic() - began:.0f} s for {what}, in vain. {hint}".strip())
