"""Which Kubernetes resources the operator talks to, and where the API server has them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from verdigris.children.names import API_VERSION, KIND


@dataclass(frozen=True)
class Resource:
    """A kind as the API server knows it. `plural` is its name in URLs. Nodes and policies have no namespace."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """`apps` of `apps/v1`; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """`v1` of `apps/v1`."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of one object, of a namespace's collection, or (None) of the collection in all namespaces."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        parts = [root]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part is not None]
        return "/".join(parts)


MODEL_DEPLOYMENT = Resource(API_VERSION, KIND, "modeldeployments")
ROLLOUT_DECISION = Resource(API_VERSION, "RolloutDecision", "rolloutdecisions")
DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
CONTROLLER_REVISION = Resource("apps/v1", "ControllerRevision", "controllerrevisions")
POD = Resource("v1", "Pod", "pods")
SERVICE = Resource("v1", "Service", "services")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
EVENT = Resource("v1", "Event", "events")
ENDPOINT_SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
AUTOSCALER = Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
DISRUPTION_BUDGET = Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
SERVICE_MONITOR = Resource("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors")
PROMETHEUS_RULE = Resource("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules")
HTTP_ROUTE = Resource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
NODE = Resource("v1", "Node", "nodes")
RESOURCE_QUOTA = Resource("v1", "ResourceQuota", "resourcequotas")
LIMIT_RANGE = Resource("v1", "LimitRange", "limitranges")
ADMISSION_POLICY = Resource(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"
)
ADMISSION_BINDING = Resource(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"
)
JOB = Resource("batch/v1", "Job", "jobs")
"""Of a gate: read while a rollout is at one."""
LOCAL_ACCESS_REVIEW = Resource("authorization.k8s.io/v1", "LocalSubjectAccessReview", "localsubjectaccessreviews")
"""A question, and no object that is kept: whether somebody may do something in one namespace."""
LEASE = Resource("coordination.k8s.io/v1", "Lease", "leases")
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
"""Of the audit log's spool."""
TOKEN_REVIEW = Resource("authentication.k8s.io/v1", "TokenReview", "tokenreviews")
ACCESS_REVIEW = Resource("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews")
"""By both the page learns who somebody is and what they may see. The operator itself asks neither."""

CHILDREN = (
    DEPLOYMENT,
    SERVICE,
    AUTOSCALER,
    CONTROLLER_REVISION,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    PROMETHEUS_RULE,
)
"""What a ModelDeployment is reconciled into."""

OPTIONAL = (SERVICE_MONITOR, PROMETHEUS_RULE)
"""Of these, the ones that a cluster without the Prometheus Operator does not know."""

TRAFFIC = (DEPLOYMENT, SERVICE, POD, ENDPOINT_SLICE)
"""What has to be seen to move clients. Without any of the rest a version can still be taken back."""

WATCHED = (*CHILDREN, ENDPOINT_SLICE, POD)
"""What is watched beside the resources that people write: children, so that drift is put back; their Services'
endpoints, which Kubernetes labels like the Services, so that a pod that begins or ceases to answer is seen at once; and
pods, which bring no look, but make the next one read them again."""

_BY_KIND = {(r.api_version, r.kind): r for r in (*CHILDREN, JOB, HTTP_ROUTE, MODEL_DEPLOYMENT, ROLLOUT_DECISION, POD)}


def resource_of(api_version: str, kind: str) -> Resource:
    """The resource of a manifest. Raises LookupError for a kind that is not in this module's table."""
    try:
        return _BY_KIND[api_version, kind]
    except KeyError:
        raise LookupError(f"{kind} of {api_version} is in no table: add it to adapters.kube.transport.kinds") from None
