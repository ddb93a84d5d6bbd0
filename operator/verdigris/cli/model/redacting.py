"""What a bug report must not show: secrets, addresses, and who decided. PURE.

Taken out rather too much than too little: values of environment variables, what stands in a URL beside host and path,
annotations that hold whole manifests, addresses of pods and nodes, and whatever reads like a token in a log.
"""

from __future__ import annotations

import re
from typing import Any

GONE = "REDACTED"

_URL_SECRETS = re.compile(r"(?<=://)[^/?#\s\"'@]*@|(?<=[?])[^\s\"'#]+")
_TOKENS = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"
    r"|(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)
_NAMED = re.compile(
    r"(?i)(\b[\w.-]*(?:password|passwd|secret|token|api[-_]?key|access[-_]?key|credential)[\w.-]*\"?\s*[=:]\s*\"?)([^\s\",;}]+)"
)
_NAME_OF_A_SECRET = re.compile(r"(?i)password|passwd|secretkey|token$|apikey|accesskey")
_ADDRESSES = frozenset({"podIP", "podIPs", "hostIP", "hostIPs", "clusterIP", "clusterIPs", "loadBalancerIP"})
_PEOPLE = frozenset({"requestedBy", "by"})
_KEPT_ANNOTATIONS = ("verdigris.dev/", "deployment.kubernetes.io/revision")


class Redactor:
    """Replaces secrets; the same person is the same `person-N` in all that one redactor sees."""

    def __init__(self) -> None:
        self._people: dict[str, str] = {}

    def document(self, value: Any) -> Any:
        """A JSON document without what must not be shown."""
        if isinstance(value, dict):
            return {name: self._member(name, inner, value) for name, inner in value.items() if name != "managedFields"}
        if isinstance(value, list):
            return [self.document(one) for one in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        """A text, such as a log, without what reads like a secret, or names somebody who was met before."""
        text = _URL_SECRETS.sub(GONE, _TOKENS.sub(GONE, text))
        text = _NAMED.sub(lambda found: f"{found[1]}{GONE}", text)
        for person, alias in self._people.items():
            text = re.sub(rf"(?<![\w-]){re.escape(person)}(?![\w-])", alias, text)
        return text

    def meet(self, person: str) -> str:
        """By what this person is called."""
        return self._people.setdefault(person, f"person-{len(self._people) + 1}")

    def _member(self, name: str, value: Any, owner: dict[str, Any]) -> Any:
        if name == "annotations" and isinstance(value, dict):
            kept = {key: inner for key, inner in value.items() if key.startswith(_KEPT_ANNOTATIONS)}
            return self.document(kept)
        if name in _PEOPLE and isinstance(value, str):
            return self.meet(value)
        if name in _ADDRESSES:
            return GONE
        if name == "value" and "name" in owner and not isinstance(value, (int, float)):
            return GONE
        if _NAME_OF_A_SECRET.search(name) and isinstance(value, str):
            return GONE
        return self.document(value)
