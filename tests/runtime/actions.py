"""Plans' actions carried out against the fake API, and the children that the tests of it keep."""

from __future__ import annotations

from typing import Any

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, UID, owned, parent
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.adapters.kube.writing.apply import Outcome, apply
from verdigris.adapters.kube.writing.restores import RestoreBackoff
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus
from verdigris.children.names import Defaults, Owner
from verdigris.core.actions import Action, RemovePod
from verdigris.core.facts.observed import Observed

Json = dict[str, Any]


def manifest(kind: str, api_version: str, name: str = KEY.name, **rest: Any) -> Json:
    raw = owned(kind, api_version, name, **rest)
    for filled_in in ("uid", "resourceVersion", "creationTimestamp"):
        del raw["metadata"][filled_in]
    return raw


SERVICE = manifest("Service", "v1", spec={"selector": {"verdigris.dev/color": "blue"}})
HPA = manifest("HorizontalPodAutoscaler", "autoscaling/v2", "diabetes-blue", spec={"minReplicas": 2})
DEPLOYMENT = manifest(
    "Deployment",
    "apps/v1",
    "diabetes-blue",
    spec={"template": {"metadata": {"labels": {"verdigris.dev/revision": "v1-1"}}}},
)
MONITOR = manifest("ServiceMonitor", "monitoring.coreos.com/v1", spec={"endpoints": [{"port": "http"}]})


SNAPSHOT = manifest(
    "ControllerRevision", "apps/v1", "diabetes-v1-1", metadata={"labels": {"verdigris.dev/revision": "v1-1"}}, data={}
)


def stuck(remedy: Any, uid: str = "Pod-p") -> RemovePod:
    return RemovePod("p", uid, "blue", "n1", "CrashLoop", remedy, "It keeps exiting.")


def picture(api: FakeApi, *, monitors_known: bool = True) -> Picture:
    raw = parent()
    observed = Observed(
        owner=Owner(KEY.namespace, KEY.name, UID),
        generation=1,
        spec=ModelDeploymentSpec.parse(raw["spec"]),
        status=ModelDeploymentStatus(),
        defaults=Defaults("image"),
        unknown=frozenset() if monitors_known else frozenset({"ServiceMonitor"}),
    )
    return Picture(observed, raw, {(kind, name): raw for (kind, _, name), raw in api.objects.items()})


async def do(
    api: FakeApi, *actions: Action, monitors_known: bool = True, backoff: RestoreBackoff | None = None
) -> Outcome:
    api.notice()
    return await apply(api, picture(api, monitors_known=monitors_known), actions, backoff)


def refuse(kind: str, error: ApiError) -> Any:
    return lambda _, called, __: error if called == kind else None
