"""Settings: from the environment, or a sentence that names the variable."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from verdigris.app.settings import Settings, SettingsError, from_environment


def test_an_empty_environment_gives_the_defaults() -> None:
    assert from_environment({}) == Settings(identity="verdigris")


def test_an_empty_variable_counts_as_absent_so_that_a_chart_may_always_render_it() -> None:
    names = ("NAMESPACES", "PROMETHEUS_ADDRESS", "RESYNC", "WORKERS", "LOG_LEVEL")
    assert from_environment({f"VERDIGRIS_{name}": "" for name in names}) == Settings(identity="verdigris")


def test_every_variable_is_read() -> None:
    settings = from_environment(
        {
            "VERDIGRIS_NAMESPACES": "a, b,",
            "VERDIGRIS_SERVING_IMAGE": "me/serving:1",
            "VERDIGRIS_SERVING_IMAGE_ONNX": "me/onnx:2",
            "VERDIGRIS_SERVING_IMAGE_SKLEARN": "me/sklearn:3",
            "VERDIGRIS_SERVING_PULL_SECRETS": "registry,other",
            "VERDIGRIS_ANY_USER": "true",
            "VERDIGRIS_PROMETHEUS_ADDRESS": "http://prometheus:9090/",
            "VERDIGRIS_PROMETHEUS_ALLOWED": "http://a:9090/, https://b/prom",
            "VERDIGRIS_PROMETHEUS_CREDENTIALS": "/etc/login",
            "VERDIGRIS_ISOLATE_QUERIES": "True",
            "VERDIGRIS_PROMETHEUS_MATCHERS": "cluster=eu-1, tier=a",
            "VERDIGRIS_DECISION_POLICY": "decisions",
            "VERDIGRIS_LEASE_NAMESPACE": "system",
            "VERDIGRIS_LEASE_NAME": "lease",
            "VERDIGRIS_LEASE_DURATION": "30s",
            "VERDIGRIS_LEASE_RENEW_DEADLINE": "20s",
            "VERDIGRIS_LEASE_RETRY_PERIOD": "500ms",
            "VERDIGRIS_RESYNC": "1h30m",
            "VERDIGRIS_WORKERS": "9",
            "VERDIGRIS_PORT": "0",
            "VERDIGRIS_LOG_LEVEL": "DEBUG",
            "VERDIGRIS_IDENTITY": "me",
        }
    )
    assert settings == Settings(
        namespaces=("a", "b"),
        serving_image="me/serving:1",
        serving_image_onnx="me/onnx:2",
        serving_image_sklearn="me/sklearn:3",
        serving_pull_secrets=("registry", "other"),
        any_user=True,
        prometheus_address="http://prometheus:9090",
        prometheus_allowed=("http://a:9090", "https://b/prom"),
        prometheus_credentials=Path("/etc/login"),
        isolate_queries=True,
        prometheus_matchers={"cluster": "eu-1", "tier": "a"},
        decision_policy="decisions",
        lease_namespace="system",
        lease_name="lease",
        lease_duration=timedelta(seconds=30),
        lease_renew_deadline=timedelta(seconds=20),
        lease_retry_period=timedelta(milliseconds=500),
        resync=timedelta(minutes=90),
        workers=9,
        port=0,
        log_level="debug",
        identity="me",
    )


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("VERDIGRIS_WORKERS", "many", "write a whole number from 1 to 64"),
        ("VERDIGRIS_WORKERS", "0", "write a whole number from 1 to 64"),
        ("VERDIGRIS_PORT", "70000", "from 0 to 65535"),
        ("VERDIGRIS_RESYNC", "soon", "write for example 30s"),
        ("VERDIGRIS_RESYNC", "0s", "above zero"),
        ("VERDIGRIS_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("VERDIGRIS_LEASE_DURATION", "5s", "must grow"),
        ("VERDIGRIS_PROMETHEUS_ADDRESS", "prometheus:9090", "write a URL such as http://"),
        ("VERDIGRIS_PROMETHEUS_ALLOWED", "http://a,b:9090", "'b:9090': write a URL such as http://"),
        ("VERDIGRIS_PROMETHEUS_ADDRESS", "http://operator:s3/cret@prometheus:9090", "prometheus.auth.secretName"),
        ("VERDIGRIS_PROMETHEUS_ADDRESS", "operator:s3cret@prometheus:9090", "'prometheus:9090': write a URL"),
        ("VERDIGRIS_PROMETHEUS_ADDRESS", "ftp://operator:s3cret@prometheus", "'prometheus': write a URL"),
        ("VERDIGRIS_REGISTRY_ADDRESS", "mlflow:5000", "write a URL such as http://mlflow"),
        ("VERDIGRIS_REGISTRY_ADDRESS", "http://me:s3/cret@mlflow:5000", "registry.auth.secretName"),
        ("VERDIGRIS_PROMETHEUS_MATCHERS", 'cluster="eu"', "write label=value"),
        ("VERDIGRIS_PROMETHEUS_MATCHERS", "eu", "write label=value"),
        ("VERDIGRIS_ISOLATE_QUERIES", "yes", "write true or false"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_with_advice(name: str, value: str, advice: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({name: value})
    assert name in str(caught.value)
    assert advice in str(caught.value)
    assert "cret@" not in str(caught.value)
