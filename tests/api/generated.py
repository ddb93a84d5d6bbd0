"""Specs for the property tests: good ones, and good ones spoilt in a place or two, near the limits where it matters."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.api.manifests import SHA256

# No lone surrogates: no JSON text can carry them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

DURATIONS = st.sampled_from(["0s", "1ms", "999ms", "1s", "10s", "5m", "1h30m", "24h", "86400s", "1m59s", "23h60m"])
QUANTITIES = st.sampled_from(["1", 1, 0, "0", "100m", "1.5", "5.", "64Mi", "1Gi", "2G", "1k", "7n", "3u", "1P", "1Ti"])
LABELS = st.dictionaries(
    st.sampled_from(["zone", "example.com/zone", "A_b.c-d", "x" * 63, "y" * 253 + "/z"]),
    st.sampled_from(["", "a", "eu-1", "A.b_c", "x" * 63]),
    max_size=3,
)


def some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of these members."""
    return st.fixed_dictionaries({}, optional=optional)


MODEL = st.fixed_dictionaries(
    {
        "version": st.sampled_from(["1.0.0", "0.0.0", "10.20.30-rc.1+build.7", "1.0.0-0a", "1.0.0--"]),
        "uri": st.sampled_from(
            [
                "https://models.example.com/diabetes-1.0.0.vmodel",
                "http://[::1]:8080/m?a=b#c",
                "pvc://models/a/b",
                "file:///m",
                "https://example.com/" + "a" * 2000,
                "s3://models/a/b?c#d",
                "gs://" + "b" * 255 + "/a",
                "az://models/a",
                "oci://[::1]:5000/team/a__b:1.0.0-rc.1",
                "oci://registry.example.com/a@sha256:" + SHA256,
                "models:/a.b-c_d%20e/1",
                "models:/diabetes@champion_2",
            ]
        ),
        "sha256": st.just(SHA256),
    },
    optional={
        "name": st.sampled_from(["diabetes", "a", "0-0", "a" * 63]),
        "allowUnverified": st.booleans(),
        "format": st.sampled_from(["linear", "onnx", "sklearn"]),
        "credentialsSecret": st.sampled_from(["store-keys", "a.b-c", "0" * 253]),
    },
)
RESOURCE_LIST = st.dictionaries(
    st.sampled_from(["cpu", "memory", "ephemeral-storage", "example.com/gpu"]), QUANTITIES, max_size=3
)
TOLERATION = some(
    key=st.sampled_from(["gpu", "example.com/gpu"]),
    operator=st.sampled_from(["Exists", "Equal"]),
    value=st.sampled_from(["", "a"]),
    effect=st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    tolerationSeconds=st.sampled_from([0, 5, 86400]),
)
ENV = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["A", "LOG_LEVEL", "_x9"])},
        optional={
            "value": TEXT,
            "valueFrom": st.sampled_from(
                [{"secretKeyRef": {"name": "a", "key": "b.c"}}, {"configMapKeyRef": {"name": "a", "key": "B_c"}}, {}]
            ),
        },
    ),
    max_size=3,
)
TEXT_QUANTITIES = QUANTITIES.map(str)
PLAIN_RESOURCES = st.dictionaries(st.sampled_from(["cpu", "memory", "example.com/gpu"]), TEXT_QUANTITIES, max_size=2)
VOLUMES = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b", "model"])},
        optional={
            "secret": st.just({"secretName": "s"}),
            "emptyDir": st.fixed_dictionaries({"sizeLimit": TEXT_QUANTITIES}),
            "persistentVolumeClaim": st.just({"claimName": "c", "readOnly": True}),
        },
    ),
    max_size=2,
)
MOUNTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b"]), "mountPath": st.sampled_from(["/a", "/etc/ssl/.x", "/model/a", "/opt"])},
        optional={"subPath": st.sampled_from(["a", "a/b"]), "readOnly": st.booleans()},
    ),
    max_size=2,
)
SIDECARS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["a", "server"]),
            "image": st.just("serving"),
            "resources": st.fixed_dictionaries({"requests": PLAIN_RESOURCES, "limits": PLAIN_RESOURCES}),
        },
        optional={"args": st.lists(TEXT, max_size=2), "env": ENV, "volumeMounts": MOUNTS},
    ),
    max_size=2,
)
POD_TEMPLATE = some(
    labels=LABELS,
    annotations=st.dictionaries(st.sampled_from(["a", "verdigris.dev/b"]), TEXT, max_size=2),
    affinity=st.just({"nodeAffinity": {}}),
    volumes=VOLUMES,
    volumeMounts=MOUNTS,
    sidecars=SIDECARS,
    fsGroup=st.sampled_from([1, 2**31 - 1]),
    serviceAccountName=st.just("a.b"),
)
CIDRS = st.sampled_from(["10.0.0.0/8", "fd00::/8", "::/0"])
PEER = some(podSelector=some(matchLabels=LABELS), ipBlock=st.fixed_dictionaries({"cidr": CIDRS}))
NETWORK_POLICY = some(
    enabled=st.booleans(),
    clients=st.sampled_from(["Pods", "Anywhere"]),
    extraEgress=st.lists(some(to=st.lists(PEER, max_size=2)), max_size=2),
)
SERVING = some(
    startupDeadline=DURATIONS,
    modelSizeLimit=TEXT_QUANTITIES,
    podTemplate=POD_TEMPLATE,
    networkPolicy=NETWORK_POLICY,
    image=st.sampled_from(["serving", "example.com:5000/a/b_c:1.2.3", "a/b@sha256:" + SHA256]),
    imagePullSecrets=st.lists(st.fixed_dictionaries({"name": st.sampled_from(["a", "b.c-d"])}), max_size=2),
    resources=some(requests=RESOURCE_LIST, limits=RESOURCE_LIST),
    concurrency=st.sampled_from([1, 8, 1024]),
    maxBodyMiB=st.sampled_from([1, 8, 1024]),
    page=st.booleans(),
    grpc=st.booleans(),
    env=ENV,
    nodeSelector=LABELS,
    tolerations=st.lists(TOLERATION, max_size=2),
    service=some(
        type=st.sampled_from(["ClusterIP", "LoadBalancer", "NodePort"]),
        port=st.sampled_from([1, 80, 8081, 65535]),
        annotations=st.dictionaries(st.sampled_from(["a", "example.com/b"]), TEXT, max_size=2),
        nodePort=st.sampled_from([1, 30080]),
        loadBalancerClass=st.just("example.com/internal"),
        loadBalancerSourceRanges=st.lists(CIDRS, min_size=1, max_size=2),
        externalTrafficPolicy=st.sampled_from(["Cluster", "Local"]),
        ipFamilyPolicy=st.sampled_from(["SingleStack", "PreferDualStack"]),
        ipFamilies=st.lists(st.sampled_from(["IPv4", "IPv6"]), min_size=1, max_size=2),
    ),
)
HPA_METRIC = st.sampled_from(
    [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
        {"type": "Pods", "pods": {"metric": {"name": "requests"}, "target": {"averageValue": "10", "x": None}}},
        {"type": "Object", "object": {}},
        {"type": "External", "pods": {}},
        {"type": "ContainerResource", "containerResource": {"container": "server"}},
    ]
)
AUTOSCALING = some(
    minReplicas=st.sampled_from([1, 3, 10, 1000]),
    maxReplicas=st.sampled_from([1, 3, 10, 1000]),
    metrics=st.lists(HPA_METRIC, max_size=2),
    external=st.booleans(),
    replicas=st.sampled_from([1, 1000]),
)
ROLLOUT = some(
    strategy=st.just("BlueGreen"),
    bake=DURATIONS,
    answerWithin=DURATIONS,
    progressDeadline=DURATIONS,
    approval=st.sampled_from(["None", "Required"]),
    onInconclusive=st.sampled_from(["Hold", "Promote", "Rollback"]),
    inconclusiveDeadline=DURATIONS,
    keepWarm=DURATIONS,
)
METRIC_CHECK = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "low-confidence"]), "query": st.just("up")},
    optional={"max": st.sampled_from([0, 1, 0.5, 1e300, -2.5]), "min": st.sampled_from([0, -1, 0.25])},
)
ANALYSIS = some(
    prometheus=some(address=st.sampled_from(["http://prometheus:9090", "https://a.b/prom/"])),
    interval=DURATIONS,
    errorRate=some(
        factor=st.sampled_from([1.1, 2, 2.0, 100]),
        floor=st.sampled_from([0.0001, 0.005, 0.5]),
        minRequests=st.sampled_from([1, 50, 1000000]),
    ),
    latency=st.fixed_dictionaries({"p95": DURATIONS}),
    metrics=st.lists(METRIC_CHECK, max_size=2),
)
SHARES = st.sampled_from([0.0001, 0.5, 0.9, 1])
MONITORING = some(
    serviceMonitor=some(enabled=st.booleans(), interval=DURATIONS, labels=LABELS),
    prometheusRule=some(
        enabled=st.booleans(),
        labels=LABELS,
        errorRate=some(warning=SHARES, critical=SHARES, window=DURATIONS, minRequests=st.sampled_from([1, 1000000])),
        latency=some(p95=DURATIONS),
        downtime=some(after=DURATIONS, noTraffic=DURATIONS),
        memory=some(share=SHARES),
    ),
    slo=st.sampled_from([90, 99.5, 99.999]),
)
SPEC = st.fixed_dictionaries(
    {"model": MODEL},
    optional={
        "serving": SERVING,
        "autoscaling": AUTOSCALING,
        "rollout": ROLLOUT,
        "analysis": ANALYSIS,
        "monitoring": MONITORING,
        "paused": st.booleans(),
    },
)

ODD_NUMBERS: list[Any] = [0, -1, 1, 2, 1.1, 1.5, 0.1, -0.5, 1025, 65536, 86401, 2**31, 2**63 - 1, 2**63, 10**30, 1e300]
ODD_TEXTS = [
    *("", " ", "\n", "0", "-", ".", "a", "A", "é", "٣s", "x\u00a0y", "\u2028", "\x00", "None", "null", "true", "1e3"),
    *("5m\n", "5m ", "+5m", "1.5h", "5µs", "99999h", "600000m", "999999h", "1h1h1h1h1h", "24h1ms", "00s", "1001ms"),
    *("1.0.0\n", "1.0", "01.0.0", "1.0.0-01", "1.0.0-", "+1", "-1", ".5", "5.", "1E", "1Ei", "1e3", "0x1", "1 Mi"),
    *("a" * 41, "a" * 63, "a" * 64, "a" * 65, "é" * 64, "𝒜" * 64, "a" * 253, "a" * 254, "1" * 33, "a/b", "a//b"),
    *("https://a", "https://a/", "https://a/b c", "https://é/b", "HTTPS://a/b", "pvc://A/b", "file://a", "a:b:c"),
    *("s3://a", "s3://a/", "s3:///a", "gs://A/b", "S3://a/b", "az://" + "b" * 256 + "/a", "oci://a/b", "oci://a/b:"),
    *(
        "oci://a/B:1",
        "oci://a/b:1@sha256:" + SHA256,
        "models:/a",
        "models:/a/0",
        "models:/a/b",
        "models:/a@",
        "models:a",
    ),
    *("VERDIGRIS_X", "A=B", "example.com/", "/zone", "y" * 254 + "/z", SHA256.upper(), SHA256 + "0"),
]
TEXTS_LIKE_OTHER_TYPES = ["", "0", "-1", "1.5", "1e3", "true", "null", "None"]
ODD_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, [], {}, [None], [[]], {"a": None}, {"": ""}, [{"name": "a"}, {"name": "a"}]]),
    st.sampled_from(ODD_NUMBERS),
    st.sampled_from(ODD_TEXTS),
    TEXT,
).map(copy.deepcopy)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from places(value[key])


@st.composite
def spoilt(draw: st.DrawFn, good: st.SearchStrategy[dict[str, Any]] = SPEC) -> dict[str, Any]:
    """A good object with up to two changes: a value replaced, a text touched, a member added or removed."""
    spec = copy.deepcopy(draw(good))
    for _ in range(draw(st.integers(1, 2))):
        if not (found := list(places(spec))):
            break
        container, key = draw(st.sampled_from(found))
        _spoil(draw, container, key)
    return spec


def _spoil(draw: st.DrawFn, container: Any, key: Any) -> None:
    how = draw(st.sampled_from(["replace", "replace", "touch", "add", "remove"]))
    old = container[key]
    if how == "remove":
        del container[key]
    elif how == "add" and isinstance(old, dict):
        old[draw(st.sampled_from(["unknown", "", "name", "a b", "cpu", "key"]))] = draw(ODD_VALUES)
    elif how == "add" and isinstance(old, list):
        again = bool(old) and draw(st.booleans())
        old.append(copy.deepcopy(old[0]) if again else draw(ODD_VALUES))
    elif how == "touch" and isinstance(old, str):
        at = draw(st.integers(0, len(old)))
        container[key] = old[:at] + draw(st.sampled_from(["\n", " ", "-", ".", "A", "0", "é", "/", ""])) + old[at:]
    else:
        container[key] = draw(ODD_VALUES)


def as_sent(value: Any) -> Any:
    """The value as kubectl and every Go client send it: a whole number has no decimal point."""
    if isinstance(value, dict):
        return {key: as_sent(member) for key, member in value.items()}
    if isinstance(value, list):
        return [as_sent(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


DECISION = st.fixed_dictionaries(
    {
        "modelDeployment": st.sampled_from(["diabetes", "a", "a" * 40]),
        "revision": st.sampled_from(["v1-0a1b2c3d4e", "a" * 63]),
        "verb": st.sampled_from(["approve", "promote", "abort", "retry", "rollback"]),
        "reason": st.sampled_from(["because", "é" * 512]),
        "requestedBy": st.sampled_from(["alice", "system:serviceaccount:ci:deployer", "https://id.example.com#7"]),
    }
)


def decisions() -> st.SearchStrategy[dict[str, Any]]:
    """Specs of RolloutDecisions, half of them spoilt."""
    return st.one_of(DECISION, spoilt(DECISION))
