"""How the result of packing shows itself in a notebook."""

import html
from collections.abc import Iterator, Mapping, Sequence

from verdigris_serving.artifact import describe
from verdigris_serving.model.schema import Manifest, has_several_labels

_LEFT = "style='text-align:left'"


def as_html(
    manifest: Manifest, path: str, size: int, sha256: str, quality: Mapping[str, float], *, told: Sequence[str]
) -> str:
    """A small table (format, equivalence, quality, size, what was ``told``), and below it what to write in the spec.

    Nothing in it is taken for markup.
    """
    rows = "".join(
        f"<tr><th {_LEFT}>{html.escape(name)}</th><td {_LEFT}>{html.escape(text)}</td></tr>"
        for name, text in _lines(manifest, path, size, sha256, quality, told=told)
    )
    block = f"<pre {_LEFT}>{html.escape(describe.spec(manifest, sha256))}</pre>"
    return f"<table><caption>{html.escape(f'{manifest.name} {manifest.version}')}</caption>{rows}</table>{block}"


def _lines(
    manifest: Manifest, path: str, size: int, sha256: str, quality: Mapping[str, float], *, told: Sequence[str]
) -> Iterator[tuple[str, str]]:
    yield "format", f"{manifest.format}: {manifest.fallback}" if manifest.fallback else manifest.format
    yield "equivalence", describe.equivalence(manifest)
    if manifest.classes:
        yield "labels" if has_several_labels(manifest) else "label", describe.label(manifest)
    if quality:
        yield "quality", describe.metrics(quality)
    for sentence in told:
        yield "to know", sentence
    yield "size", f"{size:,} bytes"
    yield "file", path
    yield "sha256", sha256
