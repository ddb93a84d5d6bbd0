"""What krew, the package manager of kubectl plugins, installs `kubectl verdigris` from: an archive, and its manifest.

`python -m verdigris.tools.krew --uri URL --homepage URL`. The same source gives the same bytes. The manifest's format:
https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from verdigris import __version__
from verdigris.tools import zipapp

PLUGIN = "verdigris"
"""By which kubectl calls it; the manifest's file has the same name."""
ARCHIVE = f"{zipapp.NAME}-{__version__}.tar.gz"
LICENSE = Path(__file__).resolve().parents[3] / "LICENSE"
"""Krew's index wants it in every archive."""
_MODES = {zipapp.NAME: 0o755, LICENSE.name: 0o644}


def archive() -> bytes:
    """The plugin and its licence, as a .tar.gz."""
    with tempfile.TemporaryDirectory() as folder:
        program = zipapp.build(Path(folder) / zipapp.NAME).read_bytes()
    held = io.BytesIO()
    # Without a name and a time in its header: they would make other bytes of the same source.
    with (
        gzip.GzipFile(filename="", fileobj=held, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in ((zipapp.NAME, program), (LICENSE.name, LICENSE.read_bytes())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), _MODES[name]
            tar.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def manifest(content: bytes, uri: str, homepage: str) -> Mapping[str, Any]:
    """The manifest of an archive with this content that is to be had at `uri`."""
    unix = {"matchExpressions": [{"key": "os", "operator": "In", "values": ["darwin", "linux"]}]}
    platform = {
        "selector": unix,
        "uri": uri,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bin": zipapp.NAME,
        "files": [{"from": name, "to": "."} for name in _MODES],
    }
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": PLUGIN},
        "spec": {
            "version": f"v{__version__}",
            "homepage": homepage,
            "shortDescription": "See and decide rollouts of ML models",
            "description": (
                "Shows what the models of the Verdigris operator are doing, and why, with the numbers; approves, "
                "promotes,\naborts and rolls back; checks an installation; serves the same as a page on this machine.\n"
            ),
            "caveats": "It needs python3, 3.9 or newer, and the operator Verdigris in the cluster.\n",
            "platforms": [platform],
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both files: 0. 2 for an address that krew could not load."""
    parser = argparse.ArgumentParser(prog="python -m verdigris.tools.krew", description=__doc__)
    parser.add_argument("--uri", required=True, help=f"https:// address at which {ARCHIVE} will be found")
    parser.add_argument("--homepage", required=True, help="https:// address that krew shows to people")
    parser.add_argument("--to", type=Path, default=Path("out/krew"), help="folder of both (default: out/krew)")
    options = parser.parse_args(arguments)
    for name in ("uri", "homepage"):
        if not getattr(options, name).startswith("https://"):
            parser.error(f"--{name} {getattr(options, name)} is no https:// address: give one that everybody can load.")
    content = archive()
    described = yaml.safe_dump(manifest(content, options.uri, options.homepage), sort_keys=False, width=120)
    options.to.mkdir(parents=True, exist_ok=True)
    for path, written in ((options.to / ARCHIVE, content), (options.to / f"{PLUGIN}.yaml", described.encode())):
        path.write_bytes(written)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
