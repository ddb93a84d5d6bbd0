"""What can go wrong between the operator and the API server, each with a sentence a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from verdigris.core.words import plain


class ApiError(Exception):
    """The API server did not do what was asked. `str()` is a sentence: what was asked and what it said."""

    reason: ClassVar[str] = "ApiError"
    """For conditions and Events. That of a subclass is its name, unless it says otherwise."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.reason = cls.__dict__.get("reason", cls.__name__)

    def __init__(self, sentence: str, retry_after: float | None = None, fields: Iterable[str] = ()) -> None:
        super().__init__(plain(sentence))
        self.fields = tuple(fields)
        """Paths of the fields that are to blame, such as `status.history[3].outcome`, as far as they were named."""
        self.retry_after = retry_after
        """Seconds that the server asked us to wait, or None."""
        self.about = ""
        """The child that it was about, by kind and name; filled in by who carried out a plan."""


class NotFound(ApiError):
    """404 by the API server itself: the object, or the whole kind, is not there."""


class Conflict(ApiError):
    """It changed since it was read, or the name now belongs to another object than the one that was meant."""


class AlreadyExists(Conflict):
    """409 on create: the name is taken."""


class Forbidden(ApiError):
    """403: RBAC, admission or a quota says no."""


class QuotaExceeded(Forbidden):
    """403 by a ResourceQuota."""


class NamespaceTerminating(ApiError):
    """403 on create: the namespace is being deleted, and the ModelDeployment with it. Nobody needs to be told."""


class Invalid(ApiError):
    """400, 405, 415, 422: the API server does not accept the object as it is."""


class Incomplete(Invalid):
    """What is accepted of a status has been written, and not even a condition can say what was left out."""


class Transient(ApiError):
    """429, 5xx or 401: the same request may well succeed later."""

    reason = "ApiServerBusy"


class Unreachable(Transient):
    """No answer: refused, reset or timed out. Whether a write was done is not known."""

    reason = "ApiServerUnreachable"


class NotTheApi(Unreachable):
    """An answer that no API server gives: a login page, a proxy's, one that was cut. It says nothing about objects."""

    reason = "NotTheApiServer"


def from_answer(what: str, status: int, body: Mapping[str, Any], retry_after: float | None) -> ApiError:
    """The error for an answer of 400 or above. `what` names the request; `body` is the API server's Status."""
    said = str(body.get("message") or body.get("reason") or "").strip() or f"HTTP {status}"
    sentence = f"{what}: {said}"
    details = body.get("details") or {}
    wait = retry_after if retry_after is not None else details.get("retryAfterSeconds")
    causes = details.get("causes") or ()
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return NamespaceTerminating(sentence, wait)
    if any(cause.get("field") == "metadata.uid" for cause in causes):
        # A patch that names another UID than the object's is told to be invalid (422): it is a failed precondition.
        return Conflict(sentence, wait)
    if status == 404 and not _is_not_found(body, said):
        # A proxy or a load balancer says so of itself. It is not "the object is missing" (law 11).
        return NotTheApi(f"{sentence} (HTTP 404, but not by the API server: check what stands before it)", wait)
    fields = [str(cause["field"]) for cause in causes if cause.get("field")]
    return _kind(status, str(body.get("reason") or ""), said)(sentence, wait, fields)


def _is_not_found(body: Mapping[str, Any], said: str) -> bool:
    """The API server's own 404: a Status, or, for a group that it does not serve at all, one line of plain text."""
    return body.get("kind") == "Status" or said == "404 page not found"


def _kind(status: int, reason: str, said: str) -> type[ApiError]:
    if status == 409:
        return AlreadyExists if reason == "AlreadyExists" else Conflict
    if status == 403:
        return QuotaExceeded if "exceeded quota" in said else Forbidden
    if status in (401, 408, 429) or status >= 500:
        return Transient
    if status == 410:
        # A list's token for the next page that has expired. The object, or the kind, is there all the same.
        return Transient
    return NotFound if status == 404 else Invalid
