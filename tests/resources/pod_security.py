"""The restricted Pod Security Standard, v1.35, as far as it applies to Linux pods: which rules does a pod break?

Written from https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP = {"RuntimeDefault", "Localhost"}


def breaches(pod: Mapping[str, Any]) -> list[str]:
    """One sentence a broken rule; `pod` is a pod spec."""
    return [*_pod(pod), *(text for container in _containers(pod) for text in _container(pod, container))]


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*pod.get("initContainers", ()), *pod["containers"], *pod.get("ephemeralContainers", ())]


def _pod(pod: Mapping[str, Any]) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field} must not be set"
    for volume in pod.get("volumes", ()):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f"volume {volume['name']} must not be a {', '.join(sorted(kinds))}"
    if pod.get("securityContext", {}).get("sysctls"):
        yield "sysctls must not be set"


def _container(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext", {})
    shared = pod.get("securityContext", {})
    if own.get("privileged"):
        yield f"{name} must not be privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name} must set allowPrivilegeEscalation to false"
    if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
        yield f"{name} must set runAsNonRoot to true"
    if own.get("runAsUser", shared.get("runAsUser")) == 0:
        yield f"{name} must not run as user 0"
    if own.get("seccompProfile", shared.get("seccompProfile", {})).get("type") not in _SECCOMP:
        yield f"{name} must set seccompProfile.type to RuntimeDefault or Localhost"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield f"{name} must drop ALL capabilities"
    if not set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"}:
        yield f"{name} must not add capabilities"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield f"{name} must not use a hostPort"
