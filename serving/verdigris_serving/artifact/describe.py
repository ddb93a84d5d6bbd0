"""What an artifact says about itself, as lines for a person: ``verdigris-model inspect``."""

from collections.abc import Collection, Iterator, Mapping

from verdigris_serving.artifact.archive import Contents
from verdigris_serving.model.schema import Baseline, Feature, Importance, Manifest, has_several_labels, score_name

#: Features that are named as those that matter.
_MOST = 5


def lines(contents: Contents, sha256: str, size: int) -> Iterator[str]:
    """The whole description, line by line; ``size`` in bytes."""
    manifest = contents.manifest
    yield f"{manifest.name} {manifest.version}  format {manifest.format}, {manifest.task}, {size} bytes"
    yield f"sha256       {sha256}"
    if manifest.fallback:
        yield f"fallback     {manifest.fallback}"
    if manifest.classes:
        word = "labels" if has_several_labels(manifest) else "classes"
        yield f"{word:12} {', '.join(map(str, manifest.classes))}  ({label(manifest)})"
    yield f"equivalence  {equivalence(manifest)}"
    if manifest.partial:
        yield "partial      its pipeline has no answer to some combinations of values; such a row is refused"
    yield f"golden rows  {len(contents.golden.rows)}"
    if contents.quality:
        report = contents.quality
        yield f"quality      {metrics(report.metrics)}  over {report.rows} rows it was not trained on"
        if report.importance:
            yield f"depends on   {importance(report.importance)}"
    yield f"made with    {', '.join(f'{name} {version}' for name, version in sorted(manifest.libraries.items()))}"
    yield from _features(manifest)
    if contents.baseline:
        yield from _baseline(contents.baseline, {f.name for f in manifest.features if f.datatype == "BYTES"})


def spec(manifest: Manifest, sha256: str) -> str:
    """The block of a ModelDeployment that serves the artifact, ready to paste but for where it is put."""
    return (
        "spec:\n"
        "  model:\n"
        f"    name: {_scalar(manifest.name)}\n"
        f"    version: {_scalar(manifest.version)}\n"
        f"    format: {manifest.format}\n"
        "    uri: https://HOST/PATH.vmodel  # where you put the file\n"
        f"    sha256: {_scalar(sha256)}"
    )


def _scalar(text: str) -> str:
    """In quotes: YAML would read 1.0 or 12e5 as a number, and yes as true."""
    return f'"{text}"'


def label(manifest: Manifest) -> str:
    """Whence the label comes, in words."""
    if has_several_labels(manifest):
        beside = f" with its {score_name(manifest)}" if score_name(manifest) else ""
        return f"a row has each or not, as the model says{beside}"
    if manifest.threshold is not None:
        return f"threshold {manifest.threshold}"
    if manifest.scores == "none":
        return "the label is all that the model says"
    if manifest.scores == "decision":
        return f"the label is the model's own, with its {score_name(manifest)} and no probabilities"
    return "the label is the model's own" if manifest.label_from == "model" else "the likeliest is the label"


def equivalence(manifest: Manifest) -> str:
    """What packing proved, in words."""
    proof = manifest.equivalence
    made = f" and {proof.made} made to differ" if proof.made else ""
    return f"within {proof.largest_difference:.2g} of the pipeline over {proof.rows} rows{made}"


def metrics(values: Mapping[str, float]) -> str:
    """A quality report's metrics on one line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(values.items()))


def importance(found: Importance) -> str:
    """The features that matter most, on one line."""
    most = sorted(found.losses.items(), key=lambda one: -one[1])[:_MOST]
    return ", ".join(f"{name} {loss:.3f}" for name, loss in most) + f"  ({found.metric} lost without)"


def _features(manifest: Manifest) -> Iterator[str]:
    yield "features"
    for feature in manifest.features:
        yield f"  {feature.name:24} {feature.datatype}{limits(feature)}{'  may be missing' if feature.nullable else ''}"


def limits(feature: Feature) -> str:
    """The allowed range and what happens beyond it, as words after the datatype; empty without a range."""
    low = "" if feature.minimum is None else f"  from {feature.minimum:g}"
    high = "" if feature.maximum is None else f"  to {feature.maximum:g}"
    return low + high + (f", {feature.out_of_range} beyond" if low or high else "")


def _baseline(baseline: Baseline, texts: Collection[str]) -> Iterator[str]:
    yield f"training baseline over {baseline.rows} rows"
    for entry in baseline.features:
        missing = f"  {entry.missing / max(1, baseline.rows):.1%} missing" if entry.missing else ""
        # A text is stored by its place among the categories, of which a mean says nothing.
        spread = "" if entry.name in texts else f"mean {entry.mean:.4g}, deviation {entry.deviation:.4g}, "
        yield f"  {entry.name:24} {spread}{len(entry.counts)} bins{missing}"
