"""What `check` looks at: whether Verdigris is installed and has what it needs. PURE: documents in, findings out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from verdigris.cli.model.reading import Raw, part, parts, text, time_of, whole
from verdigris.cli.words import count

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
OLDEST_SERVER = (1, 30)
"""The first Kubernetes with ValidatingAdmissionPolicy, by which decisions are vouched for."""
_STALE_LEASE = timedelta(seconds=30)


@dataclass(frozen=True)
class Check:
    """`result` is ok, warning, failed or skipped; `next` says what to do where it is not ok."""

    name: str
    result: str
    message: str
    next: str = ""


def skipped(name: str, why: str) -> Check:
    """What could not be looked at, mostly for want of a right."""
    return Check(name, SKIPPED, why)


def server(version: Raw) -> Check:
    """The API server's version. `version` as `kubectl version -o json` has it."""
    told = part(version, "serverVersion")
    found = re.match(r"v?(\d+)\.(\d+)", text(told, "gitVersion"))
    if found is None:
        return Check("Kubernetes", WARNING, "the API server does not say which version it is")
    if (int(found[1]), int(found[2])) < OLDEST_SERVER:
        wanted = ".".join(map(str, OLDEST_SERVER))
        return Check(
            "Kubernetes", FAILED, f"{text(told, 'gitVersion')} is too old", f"Upgrade it to {wanted} or newer."
        )
    return Check("Kubernetes", OK, text(told, "gitVersion"))


def definitions(found: Iterable[Raw], wanted: Sequence[str], name: str, advice: str) -> Check:
    """Whether these CustomResourceDefinitions are there and established."""
    established = {
        text(part(one, "metadata"), "name")
        for one in found
        if any(c.get("type") == "Established" and c.get("status") == "True" for c in parts(one, "status", "conditions"))
    }
    missing = [one for one in wanted if one not in established]
    if missing:
        return Check(name, FAILED, f"missing: {', '.join(missing)}", advice)
    return Check(name, OK, ", ".join(wanted))


def rights(answers: Sequence[tuple[str, bool]], name: str, advice: str) -> Check:
    """Whether the caller may do all of this. `answers`: `create clusterroles`, and whether."""
    lacking = [what for what, may in answers if not may]
    if lacking:
        return Check(name, FAILED, f"you may not {', '.join(lacking)}", advice)
    return Check(name, OK, f"you may do all {len(answers)} things that it takes")


def operator(deployments: Sequence[Raw]) -> Check:
    """Whether the operator runs, and in one installation only."""
    if not deployments:
        return Check(
            "operator", FAILED, "there is none in this cluster", "Install it: helm install verdigris charts/verdigris."
        )
    named = [f"{text(part(d, 'metadata'), 'namespace')}/{text(part(d, 'metadata'), 'name')}" for d in deployments]
    if len(deployments) > 1:
        return Check("operator", WARNING, f"there are several: {', '.join(named)}", "One for all namespaces is enough.")
    wanted, ready = (
        whole(part(deployments[0], "spec"), "replicas"),
        whole(part(deployments[0], "status"), "readyReplicas"),
    )
    namespace, _, name = named[0].partition("/")
    waits = f"kubectl describe pods -n {namespace} says what they wait for"
    if not ready:
        advice = f"{waits}, kubectl logs deployment/{name} -n {namespace} what they said last."
        return Check("operator", FAILED, f"{named[0]} has no ready pod", advice)
    told = f"{named[0]}: {ready} of {count(wanted, 'replica')} ready"
    missing = whole(part(deployments[0], "status"), "unavailableReplicas")
    if missing and ready >= wanted:
        return Check("operator", WARNING, f"{told}; {count(missing, 'pod')} of its last upgrade not", f"{waits}.")
    return Check("operator", OK if ready >= wanted else WARNING, told)


def lease(found: Raw, now: datetime) -> Check:
    """Whether one of the replicas leads."""
    holder, renewed = text(part(found, "spec"), "holderIdentity"), time_of(text(part(found, "spec"), "renewTime"))
    if not holder or renewed is None:
        return Check("leader", FAILED, "no replica leads", "Look at the operator's log: may it write its Lease?")
    late = now - renewed
    if late > _STALE_LEASE:
        message = f"{holder} renewed the Lease {late.total_seconds():.0f} s ago"
        return Check("leader", FAILED, message, "Does the operator reach the API server? See its log.")
    return Check("leader", OK, holder)


def setting(deployment: Raw, name: str) -> str:
    """An environment variable of the operator's container; empty when it has none."""
    containers = parts(deployment, "spec", "template", "spec", "containers")
    values = (one for container in containers for one in parts(container, "env") if one.get("name") == name)
    return text(next(values, {}), "value")


def behind_the_api(address: str, path: str) -> str | None:
    """The path by which the API server passes a request on to a Service; None for an address outside of the cluster."""
    parts_ = urlsplit(address)
    host = (parts_.hostname or "").removesuffix(".").removesuffix(".cluster.local").split(".")
    if len(host) != 3 or host[2] != "svc":
        return None
    try:
        port = parts_.port or (443 if parts_.scheme == "https" else 80)
    except ValueError:
        return None
    scheme = "https:" if parts_.scheme == "https" else ""
    return f"/api/v1/namespaces/{host[1]}/services/{scheme}{host[0]}:{port}/proxy{parts_.path.rstrip('/')}{path}"


def query_of(namespace: str, model: str) -> str:
    """What counts the requests of a model, by the labels that its ServiceMonitor gives to them."""
    return f'sum by (color, revision) (verdigris_requests_total{{namespace="{namespace}",model="{model}"}})'


def targets(answer: Raw, namespace: str, model: str) -> Check:
    """Whether Prometheus has made targets of the model's ServiceMonitor, and reaches them."""
    name = f"ServiceMonitor {namespace}/{model}"
    pool = f"serviceMonitor/{namespace}/{model}/"
    mine = [one for one in parts(answer, "data", "activeTargets") if text(one, "scrapePool").startswith(pool)]
    if not mine:
        advice = (
            "Compare the Prometheus object's serviceMonitorSelector and serviceMonitorNamespaceSelector with labels "
            f"of kubectl get servicemonitor {model} -n {namespace} -o yaml; more of them: "
            "spec.monitoring.serviceMonitor.labels."
        )
        return Check(name, FAILED, "Prometheus has no target of it: it is not selected", advice)
    down = [one for one in mine if text(one, "health") == "down"]
    if down:
        said = text(down[0], "lastError")
        advice = "Does a NetworkPolicy keep Prometheus from the pods? See spec.serving.networkPolicy."
        return Check(name, FAILED, f"{len(down)} of {count(len(mine), 'target')} are down: {said}", advice)
    return Check(name, OK, f"selected, {count(len(mine), 'target')} up")


def rules(answer: Raw, rule: Raw) -> Check:
    """Whether Prometheus has loaded this PrometheusRule. `answer` as its `/api/v1/rules` has it."""
    meta = part(rule, "metadata")
    namespace, name = text(meta, "namespace"), text(meta, "name")
    title = f"PrometheusRule {namespace}/{name}"
    # So the Prometheus Operator names each file. Without the UID a-b/c would be a/b-c.
    file = f"{namespace}-{name}-{text(meta, 'uid')}.yaml"
    mine = [one for one in parts(answer, "data", "groups") if text(one, "file").rpartition("/")[2] == file]
    if not mine:
        advice = (
            "Compare the Prometheus object's ruleSelector and ruleNamespaceSelector with the labels of "
            f"kubectl get prometheusrule {name} -n {namespace} -o yaml; more of them: prometheusRule.labels under "
            "monitoring of the chart's values, or under spec.monitoring of a model."
        )
        return Check(title, FAILED, "Prometheus has loaded no rule of it: it is not selected, or refused", advice)
    known = [rule for group in mine for rule in parts(group, "rules")]
    broken = next((rule for rule in known if text(rule, "health") == "err"), None)
    if broken is not None:
        message = f"{text(broken, 'name')} cannot be evaluated: {text(broken, 'lastError')}"
        return Check(title, FAILED, message, "Upgrade the operator and its chart: the rule is of another version.")
    return Check(title, OK, f"loaded, {count(len(known), 'rule')}")


def query(answer: Raw, namespace: str, model: str) -> Check:
    """Whether the operator's own question has data."""
    name = f"query {namespace}/{model}"
    if text(answer, "status") != "success":
        return Check(
            name, FAILED, f"Prometheus refuses it: {text(answer, 'error')}", "Is the address that of a Prometheus?"
        )
    found = parts(answer, "data", "result")
    if not found:
        advice = "Has it ever been asked, and do its series bear the labels namespace and model? See the check before."
        return Check(name, FAILED, "it returns no data", advice)
    colors = sorted({text(part(one, "metric"), "color") for one in found})
    return Check(name, OK, f"{len(found)} series ({', '.join(colors)})")
