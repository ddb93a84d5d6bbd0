"""The archive and the manifest for krew, by the rules that krew holds a manifest to before it installs anything."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from verdigris import __version__
from verdigris.tools import krew

ADDRESS = f"https://example.com/v{__version__}/{krew.ARCHIVE}"
HOMEPAGE = "https://example.com"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both files."""
    folder = tmp_path_factory.mktemp("krew")
    assert krew.main(["--uri", ADDRESS, "--homepage", HOMEPAGE, "--to", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def manifest(made: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((made / "verdigris.yaml").read_text()))


def faults(name: str, manifest: dict[str, Any]) -> list[str]:
    """What krew would refuse: its rules, one by one (its package internal/index/validation)."""
    spec, version = manifest.get("spec", {}), re.compile(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
    rules = {
        "apiVersion": manifest.get("apiVersion") == "krew.googlecontainertools.github.com/v1alpha2",
        "kind": manifest.get("kind") == "Plugin",
        "name": re.fullmatch(r"[\w-]+", name) is not None and manifest.get("metadata", {}).get("name") == name,
        "shortDescription": re.fullmatch(r"[^\r\n]+", spec.get("shortDescription", "")) is not None,
        "version": version.fullmatch(spec.get("version", "")) is not None,
        "platforms": bool(spec.get("platforms")),
    }
    for platform in spec.get("platforms", ()):
        selector = platform.get("selector") or {}
        keys = {*selector.get("matchLabels", {}), *(one["key"] for one in selector.get("matchExpressions", ()))}
        rules |= {
            "uri": bool(platform.get("uri")),
            "sha256": re.fullmatch(r"[a-f0-9]{64}", platform.get("sha256", "")) is not None,
            "bin": bool(platform.get("bin")),
            "files": "files" not in platform
            or (bool(platform["files"]) and all(one.get("from") and one.get("to") for one in platform["files"])),
            "selector": bool(keys) and keys <= {"os", "arch"},
        }
    return [rule for rule, kept in rules.items() if not kept]


def test_krew_would_take_the_manifest(manifest: dict[str, Any]) -> None:
    assert faults("verdigris", manifest) == []


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"version": __version__}, "version"),
        ({"shortDescription": "two\nlines"}, "shortDescription"),
        ({"platforms": []}, "platforms"),
        (
            {"platforms": [{"uri": ADDRESS, "sha256": "0", "bin": "x", "selector": {"matchLabels": {"os": "linux"}}}]},
            "sha256",
        ),
        ({"platforms": [{"uri": ADDRESS, "sha256": "0" * 64, "bin": "x", "selector": {}}]}, "selector"),
        ({"platforms": [{"uri": ADDRESS, "sha256": "0" * 64, "selector": {"matchLabels": {"os": "x"}}}]}, "bin"),
    ],
)
def test_the_rules_find_what_krew_would_refuse(manifest: dict[str, Any], broken: dict[str, Any], rule: str) -> None:
    assert faults("verdigris", {**manifest, "spec": {**manifest["spec"], **broken}}) == [rule]


def test_the_manifest_is_of_that_archive_and_names_what_is_in_it(made: Path, manifest: dict[str, Any]) -> None:
    (platform,) = manifest["spec"]["platforms"]
    content = (made / krew.ARCHIVE).read_bytes()
    assert (platform["uri"], platform["sha256"]) == (ADDRESS, hashlib.sha256(content).hexdigest())
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert sorted(tar.getnames()) == sorted(one["from"] for one in platform["files"])
        assert {"LICENSE", platform["bin"]} == set(tar.getnames())


def test_what_krew_unpacks_runs(made: Path, manifest: dict[str, Any], tmp_path: Path) -> None:
    with tarfile.open(made / krew.ARCHIVE) as tar:
        tar.extractall(tmp_path, filter="data")
    program = tmp_path / manifest["spec"]["platforms"][0]["bin"]
    assert os.access(program, os.X_OK)
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)
    assert f"v{done.stdout.strip()}" == manifest["spec"]["version"]


def test_the_same_source_gives_the_same_archive(made: Path) -> None:
    assert krew.archive() == (made / krew.ARCHIVE).read_bytes()


def test_an_address_that_is_none_is_refused_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        krew.main(["--uri", "kubectl.tar.gz", "--homepage", HOMEPAGE, "--to", str(tmp_path)])
    assert ended.value.code == 2
    assert "--uri kubectl.tar.gz is no https:// address" in capsys.readouterr().err
