"""The kinds of text that the API takes: what fits, what does not, and what is said about it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.api.manifests import SHA256
from verdigris.api.schema import values
from verdigris.api.schema.fields import parse_duration
from verdigris.api.schema.quantity import amount_of

FITS: list[tuple[Any, Any]] = [
    (values.SemVer, "0.0.1"),
    (values.SemVer, "1.2.3-rc.1+build.5"),
    (values.ArtifactUri, "https://models.example.com:8443/a/b.vmodel?version=1"),
    (values.ArtifactUri, "http://[2001:db8::1]/m"),
    (values.ArtifactUri, "pvc://models/diabetes/1.0.0.vmodel"),
    (values.ArtifactUri, "file:///models/m.vmodel"),
    (values.ArtifactUri, "s3://team.models_2/diabetes/1.0.0.vmodel"),
    (values.ArtifactUri, "gs://models/m"),
    (values.ArtifactUri, "az://models/m"),
    (values.ArtifactUri, "oci://registry.example.com:5000/team/diabetes:1.0.0"),
    (values.ArtifactUri, "oci://localhost/diabetes@sha256:" + SHA256),
    (values.ArtifactUri, "models:/diabetes-risk/12"),
    (values.ArtifactUri, "models:/clinic.models.Diabetes%20risk@champion"),
    (values.BaseUrl, "http://prometheus.monitoring.svc:9090"),
    (values.BaseUrl, "https://example.com/prometheus/"),
    (values.ImageRef, "verdigris/serving:0.1.0"),
    (values.ImageRef, "localhost:5000/a__b/c-d@sha256:" + SHA256),
    (values.Sha256, SHA256),
    (values.EnvName, "LOG_LEVEL"),
    (values.LabelKey, "example.com/pool"),
    (values.LabelValue, ""),
    (values.ObjectName, "diabetes-2"),
    (values.Quantity, 2),
    (values.Quantity, "1.5Gi"),
    (values.Labels, {"a": "b", "example.com/a": "c"}),
    (values.ResourceList, {"cpu": "1", "example.com/gpu": 1}),
]
DOES_NOT_FIT: list[tuple[Any, Any, str]] = [
    (values.SemVer, "1.2.3\n", "MAJOR.MINOR.PATCH"),
    (values.SemVer, "1.2.3-01", "MAJOR.MINOR.PATCH"),
    (values.ArtifactUri, "https://user@example.com/m", "without a user"),
    (values.ArtifactUri, "https://example.com/mo\u00a0del", "without spaces"),
    (values.ArtifactUri, "file://relative", "file:///PATH"),
    (values.ArtifactUri, "s3://models", "s3://BUCKET/KEY"),
    (values.ArtifactUri, "s3://models/", "s3://BUCKET/KEY"),
    (values.ArtifactUri, "s3:///m", "s3://BUCKET/KEY"),
    (values.ArtifactUri, "gs://user@models/m", "without a user"),
    (values.ArtifactUri, "oci://registry.example.com/diabetes", "oci://REGISTRY/REPOSITORY:TAG"),
    (values.ArtifactUri, "oci://registry.example.com:5000", "oci://REGISTRY/REPOSITORY:TAG"),
    (values.ArtifactUri, "oci://registry.example.com/a@sha256:12", "oci://REGISTRY/REPOSITORY@sha256:DIGEST"),
    (values.ArtifactUri, "models:/diabetes", "models:/NAME/VERSION"),
    (values.ArtifactUri, "models:/diabetes/Production", "models:/NAME@ALIAS"),
    (values.ArtifactUri, "models://diabetes/1", "models:/NAME/VERSION"),
    (values.BaseUrl, "http://example.com/?a=b", "without a query"),
    (values.ImageRef, "Serving:1", "container image"),
    (values.ImageRef, "serving:", "container image"),
    (values.Sha256, SHA256 + "\n", "64 lower-case hex digits"),
    (values.EnvName, "2X", "not starting with a digit"),
    (values.EnvName, "VERDIGRIS_MODEL_URI", "choose another name"),
    (values.LabelKey, "example.com/", "label key"),
    (values.LabelValue, "-a", "label value"),
    (values.ObjectName, "2-diabetes", "start with a letter"),
    (values.ObjectName, "a" * 41, "at most 40"),
    (values.Quantity, True, "quantity"),
    (values.Quantity, 0.5, "quantity"),
    (values.Quantity, 2**63, "quantity"),
    (values.Quantity, "1e3", "quantity"),
    (values.Quantity, "9" * 33, "quantity"),
    (values.Labels, {"a b": "c"}, "must have keys such as zone"),
    (values.Labels, {"y" * 254 + "/a": "c"}, "must have keys such as zone"),
    (values.ResourceList, {"gpu": 1}, "must name resources"),
]


@pytest.mark.parametrize(("kind", "value"), FITS)
def test_what_fits_is_taken_as_it_is(kind: Any, value: Any) -> None:
    assert TypeAdapter(kind).validate_python(value) == value


@pytest.mark.parametrize(("kind", "value", "advice"), DOES_NOT_FIT)
def test_what_does_not_fit_is_refused_with_advice(kind: Any, value: Any, advice: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(kind).validate_python(value)
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", timedelta()),
        ("250ms", timedelta(milliseconds=250)),
        ("1h30m", timedelta(minutes=90)),
        ("1m1m", timedelta(minutes=2)),
        ("99999h99999h99999h99999h", timedelta(hours=399996)),
    ],
)
def test_a_duration_is_the_sum_of_its_terms(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "1.5h", "-1s", "1d", "5m ", "5m\n", "٣s", "1h1h1h1h1h"])
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write for example 30s"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "fits"), [("999ms", False), ("1s", True), ("5m", True), ("300001ms", False)])
def test_a_duration_keeps_within_its_bounds_both_included(text: str, fits: bool) -> None:
    adapter = TypeAdapter(values.duration("1s", "5m", "5s"))
    if fits:
        assert adapter.validate_python(text) == text
    else:
        with pytest.raises(ValidationError, match="from 1s to 5m: write a number with h, m, s or ms, for example 5s"):
            adapter.validate_python(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500m", "0.5"),
        (2, "2"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("5.", "5"),
        ("1P", "1000000000000000"),
        ("3u", "0.000003"),
    ],
)
def test_a_quantity_is_the_number_that_kubernetes_reads(text: int | str, expected: str) -> None:
    assert amount_of(text) == Decimal(expected)


def test_a_number_keeps_within_fractional_bounds_also_when_it_is_whole() -> None:
    adapter = TypeAdapter(values.number(1.1, 100, "2 means doubled"))
    assert adapter.validate_python(100) == 100.0
    with pytest.raises(ValidationError, match=r"from 1\.1 to 100: 2 means doubled"):
        adapter.validate_python(1)
