"""What of a container's last words may be quoted: never what an environment variable or a Secret could hold.

A status and an Event are read by more people than a log is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from verdigris.core.pods.diagnosis.words import last
from verdigris.core.words import one_line, plain

GONE = "[redacted]"
SHORTEST = 4
"""Characters of a value that is looked for: a shorter one is in every text by chance."""
_HARMLESS = frozenset({"true", "false", "none", "null", "info", "debug", "warning", "error"})
_OURS = "VERDIGRIS_"
"""The operator's own variables say what the ModelDeployment says: name, version, checksum, port."""

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [^-\n]*-----.*?(?:-----END [^-\n]*-----|\Z)", re.DOTALL), GONE),
    (re.compile(r"([A-Za-z][\w+.-]*://)[^/\s@\"']+@"), rf"\1{GONE}@"),
    (re.compile(r"([A-Za-z][\w+.-]*://[^\s\"'<>?]*)\?[^\s\"'<>]+"), rf"\1?{GONE}"),
    (re.compile(r"\b(bearer|basic|negotiate)\s+[\w+/=.~-]{6,}", re.IGNORECASE), rf"\1 {GONE}"),
    (
        re.compile(
            r"([\w.-]*(?:passw|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|"
            r"signature|authorization|cookie)[\w.-]*[\"']?\s*(?:[:=]|\bis\b)\s*)"
            r"(?!\[redacted\]|(?:bearer|basic|negotiate) \[redacted\])(\"[^\"]*\"|'[^']*'|[^\s,;&})]+)",
            re.IGNORECASE,
        ),
        rf"\1{GONE}",
    ),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}"), GONE),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"), GONE),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|sk-|xox[abeprs]-|ya29\.)[\w-]{10,}"), GONE),
)
_RANDOM = (
    re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32,}(?![0-9A-Za-z])"),
    re.compile(r"(?<![\w/+.-])[A-Za-z0-9+/_-]{20,}={0,2}"),
)
_HEALTHY = frozenset({"trace", "debug", "info", "information", "notice", "normal"})
_HEALTHY_LINE = re.compile(
    r"\W*(?:[\d:.,TZ+-]+\W+){0,3}(?:\w+\W+)?(?:TRACE|DEBUG|INFO|NOTICE)\b|I\d{4} \d\d:\d\d|"
    r".*\blevel=\"?(?:debug|info)\b",
    re.IGNORECASE,
)
_CUT_JSON = re.compile(r'"\w+"\s*:.*[}\],]\s*$|^\s*[}\]],?\s*$')


def quotable(message: str, environment: Mapping[str, str], *, holds_secrets: bool) -> str:
    """A container's termination message as it may be kept.

    A report (JSON with a reason) is written by our own steps to be read: only what looks like a credential is taken out
    of it. Anything else is the end of a log: whatever looks random goes as well, and where the container was given a
    Secret (`holds_secrets`), whose values nobody knows here, the whole of it.
    """
    report = as_report(message)
    if report is not None:
        told = {key: _without(value, environment) if isinstance(value, str) else value for key, value in report.items()}
        return json.dumps(told, ensure_ascii=False)
    return "" if holds_secrets else redacted(message, environment)


def as_report(message: str) -> dict[str, object] | None:
    """The JSON object with a reason that our own steps leave behind; None for any other words."""
    try:
        told = json.loads(message)
    except ValueError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("reason"), str) else None


def redacted(text: str, environment: Mapping[str, str]) -> str:
    """The text without the values of these variables, without credentials, and without what only a machine can read."""
    text = _without(text, environment)
    text = _RANDOM[0].sub(GONE, text)
    return _RANDOM[1].sub(lambda found: GONE if _is_random(found[0]) else found[0], text)


def _without(text: str, environment: Mapping[str, str]) -> str:
    known = {value: name for name, value in environment.items() if _is_telling(name, value)}
    # The longest first: one value may be a part of another.
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, f"[{known[value]}]")
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _is_telling(name: str, value: str) -> bool:
    return len(value) >= SHORTEST and value.lower() not in _HARMLESS and not name.startswith(_OURS)


def _is_random(token: str) -> bool:
    """Upper and lower case and digits in one long word, which is no path: a key or a token, not a name."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return not token.startswith("/") and all(any(map(kind, token)) for kind in kinds)


def blamed(log: str) -> str:
    """The last words of a log that tell of a fault, on one line; "" when it tells of none.

    A line that says that all is well is no cause, and half a line of JSON says nothing.
    """
    return plain(last(" ".join(_faults(log.splitlines()))))


def _faults(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        told = _told(line.strip())
        if told:
            yield told


def _told(line: str) -> str:
    if line.startswith("{"):
        return _of_json(line)
    return "" if _HEALTHY_LINE.match(line) or _CUT_JSON.search(line) else line


def _of_json(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    level = str(next((record[key] for key in ("level", "severity", "levelname", "lvl") if key in record), ""))
    if level.lower() in _HEALTHY:
        return ""
    message = next((str(record[key]) for key in ("message", "msg") if record.get(key)), "")
    error = next(
        (str(record[key]) for key in ("error", "exception", "trace", "exc_info", "err") if record.get(key)), ""
    )
    end = error.strip().rpartition("\n")[2]
    return one_line(": ".join(part for part in (message, end) if part))
