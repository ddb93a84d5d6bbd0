"""`check [NAME] [--pre]`: whether Verdigris can be installed, or is there and has what it needs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any, Callable
from urllib.parse import quote

from verdigris.cli import asking
from verdigris.cli.commands.common import here, kubectl, now, put, put_document
from verdigris.cli.exits import ERROR, REACHED, CliError
from verdigris.cli.kubectl import Asked, Document, Kubectl
from verdigris.cli.model import checks
from verdigris.cli.model.checks import FAILED, Check
from verdigris.cli.model.published import Checks
from verdigris.cli.model.reading import part, parts, text
from verdigris.cli.names import DECISIONS, MODELS, OPERATOR_LABELS
from verdigris.cli.refusals import NotFound, Unreachable
from verdigris.cli.views.lists import checks as shown

_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_MONITORING = ("servicemonitors.monitoring.coreos.com",)
_RULES = "prometheusrules.monitoring.coreos.com"
_INSTALLING = (
    ("create", "customresourcedefinitions.apiextensions.k8s.io"),
    ("create", "clusterroles.rbac.authorization.k8s.io"),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
    ("create", "validatingadmissionpolicies.admissionregistration.k8s.io"),
    ("create", "namespaces"),
    ("create", "deployments.apps"),
)
_WRITES = (
    ("patch", "services"),
    ("patch", "deployments.apps"),
    ("patch", "pods"),
    ("patch", MODELS, "--subresource=status"),
)
"""Of what the operator has to do to take a bad version back."""
_MOST = 5
"""Models whose scrapes are looked at where none is named."""


def run(options: argparse.Namespace) -> int:
    """1 where one of them has failed; what could not be looked at for want of a right is told, and fails nothing."""
    cluster = kubectl(options)
    found = list(_before(cluster) if options.pre else _after(cluster, options.name))
    if options.output:
        put_document(Checks(tuple(found)), options.output)
    else:
        put(shown(found, here()))
    return ERROR if any(one.result == FAILED for one in found) else REACHED


def _before(cluster: Kubectl) -> Iterator[Check]:
    yield _server(cluster)
    answers = cluster.attempts([asking.may(verb, resource, "--all-namespaces") for verb, resource in _INSTALLING])
    named = [f"{verb} {resource}" for verb, resource in _INSTALLING]
    may = [(name, isinstance(answer, str)) for name, answer in zip(named, answers)]
    yield checks.rights(may, "your rights", "Ask an administrator of the cluster to install the chart.")
    yield _monitoring(cluster)


def _after(cluster: Kubectl, name: str | None) -> Iterator[Check]:
    yield _server(cluster)
    yield _definitions(cluster, (MODELS, DECISIONS), "CRDs", "Install the chart, or kubectl apply -f crds.")
    yield _monitoring(cluster)
    operator = cluster.documents(
        [asking.labelled("deployments", OPERATOR_LABELS, "to find the operator", everywhere=True)]
    )[0]
    if isinstance(operator, CliError):
        yield checks.skipped("operator", str(operator))
        return
    deployments = parts(operator, "items")
    yield checks.operator(deployments)
    if deployments:
        yield from _installed(cluster, deployments[0], name)


def _server(cluster: Kubectl) -> Check:
    """Raises Unreachable: without an API server nothing else can be told either."""
    answer = cluster.documents([Asked(("version", "-o", "json"), "to know the API server's version")])[0]
    if isinstance(answer, Unreachable):
        raise answer
    return _looked("Kubernetes", answer, checks.server)


def _definitions(cluster: Kubectl, wanted: Sequence[str], name: str, advice: str) -> Check:
    answers = cluster.documents([asking.named(_DEFINITIONS, one, "to see which CRDs there are") for one in wanted])
    refused = next((a for a in answers if isinstance(a, CliError) and not isinstance(a, NotFound)), None)
    if refused is not None:
        return checks.skipped(name, str(refused))
    found = [answer for answer in answers if not isinstance(answer, CliError)]
    return checks.definitions(found, wanted, name, advice)


def _monitoring(cluster: Kubectl) -> Check:
    advice = "Install the Prometheus Operator; without ServiceMonitors scrape the pods by other means."
    return _definitions(cluster, _MONITORING, "ServiceMonitors", advice)


def _looked(name: str, answer: Document | CliError, look: Callable[[Any], Check]) -> Check:
    return checks.skipped(name, str(answer)) if isinstance(answer, CliError) else look(answer)


def _installed(cluster: Kubectl, deployment: Document, name: str | None) -> Iterator[Check]:
    meta = part(deployment, "metadata")
    namespace = text(meta, "namespace")
    lease = checks.setting(deployment, "VERDIGRIS_LEASE_NAME") or text(meta, "name")
    leading = cluster.documents([asking.named("leases.coordination.k8s.io", lease, "to see who leads", namespace)])[0]
    yield _looked("leader", leading, lambda found: checks.lease(found, now()))
    yield _its_rights(cluster, deployment)
    yield from _prometheus(cluster, deployment, name)


def _its_rights(cluster: Kubectl, deployment: Document) -> Check:
    """Asked as the operator's ServiceAccount, which takes the right to impersonate."""
    namespace = text(part(deployment, "metadata"), "namespace")
    account = text(part(deployment, "spec", "template", "spec"), "serviceAccountName")
    user = f"--as=system:serviceaccount:{namespace}:{account}"
    served = checks.setting(deployment, "VERDIGRIS_NAMESPACES").split(",")[0]
    where = f"--namespace={served}" if served else "--all-namespaces"
    answers = cluster.attempts([asking.may(verb, kind, *part_of, where, user) for verb, kind, *part_of in _WRITES])
    unknown = next((a for a in answers if isinstance(a, CliError) and "impersonate" in str(a)), None)
    if unknown is not None:
        return checks.skipped("the operator's rights", str(unknown))
    may = [(" ".join(write), isinstance(a, str)) for write, a in zip(_WRITES, answers)]
    found = checks.rights(may, "the operator's rights", "Upgrade the operator's chart: its roles are older than it.")
    return Check(found.name, found.result, found.message.replace("you may", f"{account} may"), found.next)


def _prometheus(cluster: Kubectl, deployment: Document, name: str | None) -> Iterator[Check]:
    address = checks.setting(deployment, "VERDIGRIS_PROMETHEUS_ADDRESS")
    if not address:
        yield Check("Prometheus", FAILED, "the operator was given no address", "Set prometheus.address of the chart.")
        return
    path = checks.behind_the_api(address, "/api/v1")
    if path is None:
        yield checks.skipped("Prometheus", f"{address} is outside of the cluster, so it is not asked from here")
        return
    answer = _ask(cluster, f"{path}/query?query=up")
    if isinstance(answer, CliError):
        advice = f"Is there a Prometheus at {address}? To ask it by hand takes the right get on services/proxy there."
        refused = "may not" in str(answer)
        yield Check("Prometheus", checks.SKIPPED if refused else FAILED, str(answer), advice)
        return
    yield Check("Prometheus", checks.OK, f"{address} answers")
    loaded = _ask(cluster, f"{path}/rules")
    operator = part(deployment, "metadata")
    absent = "there is none: the chart's monitoring.prometheusRule.enabled is false, or somebody deleted it"
    # That of the chart has the name of the operator's Deployment.
    yield _alerts(cluster, loaded, text(operator, "namespace"), text(operator, "name"), absent)
    yield from _scrapes(cluster, path, name, loaded)


def _alerts(cluster: Kubectl, loaded: Document | CliError, namespace: str, name: str, absent: str) -> Check:
    """Whether a PrometheusRule counts; `absent` is why there may be none."""
    title = f"PrometheusRule {namespace}/{name}"
    rule = cluster.documents([asking.named(_RULES, name, "to see whether there are alerts", namespace)])[0]
    if isinstance(rule, NotFound):
        return checks.skipped(title, absent)
    if isinstance(rule, CliError):
        return checks.skipped(title, str(rule))
    return _looked(title, loaded, lambda found: checks.rules(found, rule))


def _scrapes(cluster: Kubectl, path: str, name: str | None, loaded: Document | CliError) -> Iterator[Check]:
    """Of the model that was named, else of the first ones."""
    asked = asking.model(name) if name else asking.models(everywhere=True)
    listed = cluster.documents([asked])[0]
    if isinstance(listed, CliError):
        yield checks.skipped("models", str(listed))
        return
    models = [listed] if name else parts(listed, "items")[:_MOST]
    targets = _ask(cluster, f"{path}/targets?state=active") if models else {}
    for model in models:
        meta = part(model, "metadata")
        namespace, named = text(meta, "namespace"), text(meta, "name")
        yield from _scrape(cluster, path, targets, model, namespace, named)
        if part(model, "spec", "monitoring", "prometheusRule").get("enabled") is True:
            absent = f"the operator has made none yet: kubectl verdigris why {named} -n {namespace}"
            yield _alerts(cluster, loaded, namespace, named, absent)


def _scrape(  # noqa: PLR0917
    cluster: Kubectl, path: str, targets: Document | CliError, model: Document, namespace: str, name: str
) -> Iterator[Check]:
    title = f"ServiceMonitor {namespace}/{name}"
    if part(model, "spec", "monitoring", "serviceMonitor").get("enabled") is False:
        # Prometheus still answers with what it scraped within 5 min: the question below has data for a while.
        yield checks.skipped(title, "spec.monitoring.serviceMonitor.enabled is false: what else scrapes its pods?")
    else:
        yield _looked(title, targets, lambda found: checks.targets(found, namespace, name))
    data = _ask(cluster, f"{path}/query?query={quote(checks.query_of(namespace, name))}")
    yield _looked(f"query {namespace}/{name}", data, lambda found: checks.query(found, namespace, name))


def _ask(cluster: Kubectl, path: str) -> Document | CliError:
    answer = cluster.attempts([asking.raw(path, "to ask Prometheus through the API server")])[0]
    if isinstance(answer, CliError):
        return answer
    try:
        found: Document = json.loads(answer)
    except ValueError:
        return CliError("What answers is no Prometheus: it sends no JSON.")
    return found
