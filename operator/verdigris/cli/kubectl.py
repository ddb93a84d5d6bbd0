"""The one way to the cluster: kubectl as a process, so that every login, context and `--as` works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verdigris.cli.exits import CliError
from verdigris.cli.refusals import failure

Document = Mapping[str, Any]

PATIENCE = "30s"
"""For one request, unless --request-timeout says otherwise: a server that hangs must not hang the command."""


@dataclass(frozen=True)
class Connection:
    """What is handed on to every kubectl. Empty: as kubectl itself would have it."""

    context: str = ""
    kubeconfig: str = ""
    namespace: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    request_timeout: str = ""

    def flags(self) -> list[str]:
        """As flags of kubectl, without the namespace."""
        named = (("--context", self.context), ("--kubeconfig", self.kubeconfig), ("--as", self.user))
        flags = [f"{name}={value}" for name, value in named if value]
        return flags + [f"--as-group={group}" for group in self.groups]


@dataclass(frozen=True)
class Asked:
    """One command of kubectl: its arguments, why it is asked, and what it gets on stdin."""

    arguments: tuple[str, ...]
    purpose: str = ""
    input: str | None = None


class Kubectl:
    """Runs kubectl. Each method raises CliError (`cli.refusals`) with a sentence when it fails."""

    def __init__(self, connection: Connection, program: str = "kubectl") -> None:
        self._connection = connection
        self._program = program

    def text(self, asked: Asked) -> str:
        """Its stdout."""
        return self.texts([asked])[0]

    def texts(self, several: Sequence[Asked]) -> list[str]:
        """The stdout of several that run at the same time. The first that has failed raises."""
        answers = self.attempts(several)
        for answer in answers:
            if isinstance(answer, CliError):
                raise answer
        return [answer for answer in answers if isinstance(answer, str)]

    def attempts(self, several: Sequence[Asked]) -> list[str | CliError]:
        """As `texts`, with the error in place of the stdout of one that has failed."""
        processes = [self.start(asked, bounded=True) for asked in several]
        answers: list[str | CliError] = []
        try:
            for process, asked in zip(processes, several):
                stdout, stderr = process.communicate(asked.input)
                answers.append(failure(stderr, asked.purpose) if process.returncode else stdout)
        finally:
            for process in processes:
                end(process)
        return answers

    def documents(self, several: Sequence[Asked]) -> list[Document | CliError]:
        """As `attempts`, read as JSON."""
        return [answer if isinstance(answer, CliError) else _read(answer) for answer in self.attempts(several)]

    def texts_as_documents(self, several: Sequence[Asked]) -> list[Document]:
        """As `texts`, read as JSON."""
        return [_read(text) for text in self.texts(several)]

    def document(self, asked: Asked) -> Document:
        """Its stdout as JSON."""
        return _read(self.text(asked))

    def start(self, asked: Asked, *, bounded: bool = False) -> subprocess.Popen[str]:
        """A process with pipes for what it says. `bounded`: with a time-out, for all but watches."""
        patience = self._connection.request_timeout or (PATIENCE if bounded else "")
        command = self.command(asked.arguments) + ([f"--request-timeout={patience}"] if patience else [])
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE if asked.input is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise CliError(f"{command[0]} cannot be run: {error.strerror}. Reinstall kubectl, or mend PATH.") from error

    def command(self, arguments: Iterable[str]) -> list[str]:
        """The whole command line, in the namespace of the connection."""
        path = shutil.which(self._program)
        if path is None:
            raise CliError("There is no kubectl on PATH: install it (https://kubernetes.io/docs/tasks/tools).")
        arguments = list(arguments)
        namespace = self._connection.namespace
        if (
            namespace
            and "--all-namespaces" not in arguments
            and not any(a.startswith("--namespace") for a in arguments)
        ):
            arguments = [*arguments, f"--namespace={namespace}"]
        return [path, *self._connection.flags(), *arguments]

    def hand_over(self, arguments: Iterable[str]) -> int:
        """Run it with our own terminal, to its end; its exit code. For logs, which are kubectl's to show."""
        command = self.command(arguments)
        try:
            return subprocess.run(command, check=False, env=os.environ).returncode
        except OSError as error:
            raise CliError(f"{command[0]} cannot be run: {error.strerror}.") from error


def end(process: subprocess.Popen[str]) -> None:
    """End it if it still runs, and wait for it."""
    if process.poll() is None:
        process.terminate()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _read(text: str) -> Document:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CliError(
            f"kubectl answered with what is no JSON ({error}): is it kubectl that is first on PATH?"
        ) from error
    return document if isinstance(document, dict) else {"items": document}
