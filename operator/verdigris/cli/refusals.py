"""What kubectl says when it cannot, as a sentence with what to do. PURE: its stderr in, an error out."""

from __future__ import annotations

import re

from verdigris.api.schema.text import plain
from verdigris.cli.exits import CliError

_RIGHT = re.compile(
    r'User "(?P<who>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope)?'
)
_POLICY = re.compile(r"ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request: (?P<said>.+)")
_UNKNOWN_KIND = re.compile(
    r'(?:doesn\'t have a resource type "(?P<kind>[^"]+)"|no matches for kind "(?P<named>[^"]+)")'
)
_LOG_LINE = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ .*\n?", re.MULTILINE)
"""What kubectl logs on its way to an error, as klog writes it: the same failure, once for each try."""
_PREFIX = re.compile(r"^(?:Error from server(?: \(\w+\))?|error): ", re.MULTILINE)
_AWAY = (
    "was refused",
    "Unable to connect to the server",
    "no such host",
    "i/o timeout",
    "TLS handshake timeout",
    "context deadline exceeded",
)


class Refused(CliError):
    """A right is missing, or a policy said no."""


class NotFound(CliError):
    """The object is not there."""


class UnknownKind(CliError):
    """The cluster does not know the resource: its CRD is missing."""


class Unreachable(CliError):
    """No API server has answered."""


def failure(stderr: str, purpose: str) -> CliError:  # noqa: PLR0911 - a table of what kubectl says
    """The error for a kubectl that has failed. `purpose` goes on after "which is needed": "to show the pods"."""
    stderr = _LOG_LINE.sub("", stderr).strip() or stderr
    said = plain(_PREFIX.sub("", stderr.strip()).replace("\n", " ")) or "it said nothing."
    policy = _POLICY.search(stderr)
    if policy is not None:
        return Refused(_of_the_policy(plain(policy["said"].strip())))
    right = _RIGHT.search(stderr)
    if right is not None:
        return Refused(_missing_right(right, purpose))
    if "(Forbidden)" in stderr:
        return Refused(f"The API server refuses {_about(purpose)}: {_sentence(said)}")
    if "(NotFound)" in stderr:
        others = " kubectl verdigris list -A shows what there is." if "verdigris.dev" in said else ""
        return NotFound(_sentence(said) + others)
    if _UNKNOWN_KIND.search(stderr):
        return UnknownKind(
            f"{_sentence(said)} Is Verdigris installed there? kubectl verdigris check says what is missing."
        )
    if "Unauthorized" in stderr or "must be logged in" in stderr:
        return Unreachable(f"{_sentence(said)} Log in again, as for any other kubectl command of this context.")
    if any(words in stderr for words in _AWAY):
        return Unreachable(f"{_sentence(said)} Check the context (kubectl config current-context) and the network.")
    return CliError(f"kubectl could not be asked {_about(purpose)}: {_sentence(said)}")


def _about(purpose: str) -> str:
    return purpose or "for it"


def _missing_right(right: re.Match[str], purpose: str) -> str:
    group = f".{right['group']}" if right["group"] else ""
    where = f"in namespace {right['namespace']}" if right["namespace"] else "in the whole cluster"
    needed = f", which is needed {purpose}" if purpose else ""
    role = "Have somebody bind a role with that right to you"
    if right["group"] == "verdigris.dev":
        kind = "approver (or -aborter)" if right["verb"] == "create" else "view"
        role = f"Have somebody bind the ClusterRole <release>-{kind} to you"
    elif right["verb"] in ("get", "list", "watch"):
        role = "Have somebody bind the ClusterRole view to you"
    return f"{plain(right['who'])} may not {right['verb']} {right['resource']}{group} {where}{needed}. {role}."


def _of_the_policy(said: str) -> str:
    """`alice may not rollback diabetes`, and which right that is."""
    found = re.match(r"(\S+) may not (\w+) (\S+?)[.]?$", said)
    if found is None:
        return _sentence(said)
    return (
        f"{_sentence(said)} That is the verb {found[2]} on modeldeployments.verdigris.dev {found[3]}: the ClusterRole "
        "<release>-approver has it (<release>-aborter has abort)."
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
