"""Which namespaces the operator cannot list, and what the API server says about it: for readiness and a metric."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from verdigris.adapters.kube.transport.errors import ApiError

log = logging.getLogger(__name__)

EVERYWHERE = "(all)"
"""What stands for all namespaces at once."""


class NamespaceAccess:
    """Whether ModelDeployments could be listed the last time, by namespace."""

    def __init__(self) -> None:
        self._lost: dict[str, str] = {}

    @property
    def lost_namespaces(self) -> Mapping[str, str]:
        """Those that cannot be listed, each with the sentence that says why."""
        return self._lost

    def lost(self, namespace: str | None, error: ApiError) -> None:
        """Its ModelDeployments could not be listed. Logged when it is news."""
        name = namespace or EVERYWHERE
        if self._lost.get(name) != str(error):
            log.warning("ModelDeployments cannot be listed: %s; it is tried again until they can", error)
        self._lost[name] = str(error)

    def seen(self, namespace: str | None) -> None:
        """Its ModelDeployments could be listed. Logged when they could not before."""
        if self._lost.pop(namespace or EVERYWHERE, None) is not None:
            log.info("ModelDeployments of namespace %s can be listed again", namespace or EVERYWHERE)

    def notice(self) -> str | None:
        """One sentence for people, or None. A replica is ready all the same: the other namespaces are looked after."""
        if not self._lost:
            return None
        told = "; ".join(f"{name}: {why}" for name, why in sorted(self._lost.items())[:5])
        return (
            f"{len(self._lost)} of the namespaces that are watched cannot be listed ({told}): give the operator's "
            "service account its rights there, or take them out of watchNamespaces."
        )
