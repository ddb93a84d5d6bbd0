"""The ServiceAccount of the model's pods: a name for quotas and policies, without a token and without rights."""

from __future__ import annotations

from verdigris.children.meta import Manifest, metadata
from verdigris.children.names import Owner, account_name


def build(owner: Owner) -> Manifest:
    """A serving pod never talks to the API server, so it gets no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(owner, account_name(owner.name)),
        "automountServiceAccountToken": False,
    }
