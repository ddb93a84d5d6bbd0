"""Which model something is recorded of."""

from dataclasses import dataclass
from urllib.parse import quote

API = "/apis/verdigris.dev/v1alpha1"
"""Where the API server has our kinds."""


@dataclass(frozen=True)
class Model:
    """Whose status, or entry, it is. The UID tells a model from a later one of the same name."""

    namespace: str
    name: str
    uid: str

    @property
    def subject(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def source(self) -> str:
        """Its path at the API server."""
        return f"{API}/namespaces/{quote(self.namespace, safe='')}/modeldeployments/{quote(self.name, safe='')}"
