"""`helm test`: is this operator ready, does the API server know its resources, and may it do its work?

Runs in the operator's image under the operator's ServiceAccount. Every check prints one line; a failed one says what
to do. Prometheus is only asked whether it answers: without it models still start and roll back, so it fails nothing.
"""

import json
import os
import ssl
import sys
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_SECONDS = 5.0
RESOURCES = {"modeldeployments", "rolloutdecisions"}


FAULTS = (OSError, HTTPException, ValueError)
"""What a call may raise: no connection, an HTTP error, an answer that is none, an address that is none."""


class Failed(Exception):
    """A check that did not hold. The text is the sentence for the person who runs `helm test`."""


def api(path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A JSON call to the API server. Raises one of FAULTS when there is no good answer."""
    request = urllib.request.Request(
        f"https://kubernetes.default.svc{path}",
        data=json.dumps(body).encode() if body else None,
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"},
    )
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=trust) as answer:
        return dict(json.load(answer))


def operator_is_ready() -> str:
    """The Service leads to a replica that answers /readyz."""
    url = os.environ["OPERATOR_URL"] + "/readyz"
    try:
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS).close()
    except FAULTS as fault:
        raise Failed(f"the operator does not answer at {url} ({fault}): see `kubectl logs` of its pods") from fault
    return f"the operator is ready at {url}"


def resources_are_served() -> str:
    """Both CRDs are installed and established."""
    try:
        served = {resource["name"] for resource in api("/apis/verdigris.dev/v1alpha1")["resources"]}
    except FAULTS as fault:
        raise Failed(f"the API server does not serve verdigris.dev ({fault}): set crds.install=true") from fault
    missing = sorted(RESOURCES - served)
    if missing:
        raise Failed(f"the API server does not serve {', '.join(missing)}: apply the chart's CRDs")
    return "the API server serves " + ", ".join(sorted(RESOURCES))


def operator_may_work() -> str:
    """The operator's ServiceAccount may see ModelDeployments wherever it serves them."""
    namespaces = [name for name in os.environ["VERDIGRIS_NAMESPACES"].split(",") if name] or [""]
    for namespace in namespaces:
        attributes = {"group": "verdigris.dev", "resource": "modeldeployments", "verb": "list", "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        if not api("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)["status"]["allowed"]:
            where = f"in namespace {namespace}" if namespace else "in all namespaces"
            raise Failed(f"the operator may not list modeldeployments {where}: see its Role and its binding")
    return "the operator may list modeldeployments in " + (", ".join(filter(None, namespaces)) or "all namespaces")


def prometheus_answers() -> str:
    """A hint only: says whether rollouts will find evidence."""
    url = os.environ["VERDIGRIS_PROMETHEUS_ADDRESS"].rstrip("/") + "/api/v1/query?query=1"
    try:
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS).close()
    except FAULTS as fault:
        return f"note: Prometheus does not answer at {url} ({fault}): rollouts will wait; set prometheus.address"
    return f"Prometheus answers at {url}"


CHECKS: tuple[Callable[[], str], ...] = (operator_is_ready, resources_are_served, operator_may_work, prometheus_answers)


def main() -> int:
    """Run every check, whatever the others said. Exit code 1 when one failed."""
    failures = 0
    for check in CHECKS:
        try:
            print("ok:", check(), flush=True)
        except (Failed, KeyError, *FAULTS) as fault:
            failures += 1
            print("failed:", fault if isinstance(fault, Failed) else f"{check.__name__}: {fault!r}", flush=True)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
