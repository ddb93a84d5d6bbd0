"""kubectl, as the tests of the chart use it: as somebody else, and with what it says besides its output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.patience import hold_out, patient, stretched
from tests.chart.helm import Manifest


class Denied(Exception):
    """The API server said no; the text is what kubectl printed."""


@dataclass(frozen=True)
class Answer:
    """What kubectl printed: its output, and its warnings."""

    out: str
    warnings: str


@dataclass(frozen=True)
class Kubectl:
    """One cluster, by its administrator."""

    program: Path
    kubeconfig: Path

    def run(self, *arguments: str | Path, stdin: str = "", user: str | None = None) -> Answer:
        """Run kubectl, as `user` of the group system:authenticated when given. Raises Denied when it fails."""
        words = [str(self.program), *patient(arguments)]
        if user:
            words += [f"--as={user}", "--as-group=system:authenticated"]
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=stretched(120),
            check=False,
            env=self._env,
        )
        if done.returncode != 0:
            raise Denied(done.stderr + done.stdout)
        return Answer(done.stdout, done.stderr)

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    @contextmanager
    def forwarding(self, target: str, port: int, namespace: str) -> Iterator[str]:
        """`kubectl port-forward` while the block runs; gives the URL on this machine. Raises Denied when it fails."""
        words = [str(self.program), "port-forward", target, f":{port}", "--namespace", namespace]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(words, **pipes, text=True, env=self._env) as process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline()
                address = re.search(r"127\.0\.0\.1:\d+", said)
                if address is None:
                    raise Denied(said)
                yield f"http://{address[0]}"
            finally:
                process.terminate()

    def apply(self, manifests: Iterable[Manifest], *options: str) -> Answer:
        """Server-side apply. Raises Denied."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        return self.run("apply", "--server-side", "--force-conflicts", "-f", "-", *options, stdin=json.dumps(items))

    def create(self, manifest: Manifest, *options: str, user: str | None = None) -> Answer:
        """Create one object. Raises Denied."""
        return self.run("create", "-f", "-", *options, stdin=json.dumps(manifest), user=user)

    def allows(self, user: str, verb: str, resource: str, namespace: str) -> bool:
        """Whether RBAC lets the user do this (`kubectl auth can-i`); a subresource is told as `pods/exec`."""
        name, _, subresource = resource.partition("/")
        words = ["can-i", verb, name, f"--subresource={subresource}", "--namespace", namespace]
        try:
            said = self.run("auth", *words, user=user).out
        except Denied as denial:
            said = str(denial)
        return said.strip().endswith("yes")


REVIEWS = {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"}
REVIEWS |= {"tokenreviews", "subjectaccessreviews"}
"""Questions: what is created is answered, and stored nowhere."""


def changes(told: str) -> list[str]:
    """The lines of `kubectl auth can-i --list` by which somebody may do more than read and ask."""
    found = []
    for line in told.splitlines()[1:]:
        name, verbs = line.split()[0].partition(".")[0], set(line[line.rindex("[") + 1 : -1].split())
        if not verbs <= ({"create"} if name in REVIEWS else {"get", "list", "watch"}):
            found.append(line)
    return found


def eventually(what: str, check: Callable[[], bool], *, seconds: float = 30) -> None:
    """Ask again and again until it is so. Fails the test when it is not after `seconds` at this machine's pace."""
    began = time.monotonic()
    assert hold_out(check, seconds), f"waited {time.monotonic() - began:.0f} s in vain until {what}"
