"""A cluster of files behind a fake kubectl, and the command line run on it in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from verdigris.cli.main import main

FAKE = Path(__file__).with_name("fake_kubectl.py")


class Stage:
    """What the fake kubectl answers from, and how a command ended on it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        (folder / "objects").mkdir()
        (folder / "events").mkdir()
        self.bin = folder / "bin"
        self.bin.mkdir()
        program = self.bin / "kubectl"
        # Without site packages it starts in a third of the time.
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        monkeypatch.setenv("FAKE_KUBECTL", str(folder))
        monkeypatch.setenv("LANG", "C.UTF-8")
        monkeypatch.delenv("COLUMNS", raising=False)

    def given(self, *things: Mapping[str, Any]) -> Stage:
        """Objects of the cluster."""
        for thing in things:
            name = f"{thing['kind']}-{thing['metadata']['name']}.json"
            (self.folder / "objects" / name).write_text(json.dumps(thing))
        return self

    def then(self, *things: Mapping[str, Any], type: str = "MODIFIED") -> Stage:
        """What a watch tells afterwards."""
        for thing in things:
            number = len(list((self.folder / "events").iterdir()))
            event = {"type": type, "object": thing}
            (self.folder / "events" / f"{number:03}.json").write_text(json.dumps(event))
        return self

    def may_not(self, *rights: str) -> Stage:
        """Rights that are missing, such as `list pods`."""
        return self.holds("may_not.json", list(rights))

    def holds(self, file: str, content: Any) -> Stage:
        """Any other file of the fake kubectl."""
        (self.folder / file).write_text(json.dumps(content))
        return self

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `kubectl verdigris ...`."""
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def document(self, *arguments: str) -> Any:
        """What a command prints with `-o json`."""
        code, out, err = self.run(*arguments, "-o", "json")
        assert code == 0, err
        return json.loads(out)

    def kept(self, kind: str, name: str) -> Any:
        """An object of the cluster as it is now."""
        return json.loads((self.folder / "objects" / f"{kind}-{name}.json").read_text())

    def calls(self) -> list[list[str]]:
        """Every command line that the fake kubectl got."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
