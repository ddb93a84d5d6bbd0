"""Why the init step or the server gave up: the words that the operator reads from the termination message."""

import enum
import json
import os
import sys

#: The kubelet keeps at most this much of a termination message.
TERMINATION_MESSAGE_BYTES = 4096


class Reason(enum.StrEnum):
    """The contract with the operator. A new member is a new condition reason there: add, never rename."""

    VERIFIED = "Verified"
    ARTIFACT_NOT_FOUND = "ArtifactNotFound"
    ARTIFACT_UNREACHABLE = "ArtifactUnreachable"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    ARTIFACT_TRUNCATED = "ArtifactTruncated"
    ARTIFACT_TOO_LARGE = "ArtifactTooLarge"
    ARTIFACT_INVALID = "ArtifactInvalid"
    MODEL_MISMATCH = "ModelMismatch"
    GOLDEN_ROWS_FAILED = "GoldenRowsFailed"
    SETTINGS_INVALID = "SettingsInvalid"
    INTERNAL_ERROR = "InternalError"


class ServingError(Exception):
    """A definite failure: ``reason`` for machines, ``message`` (what is wrong, where, what to do) for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def write_termination(path: str, reason: Reason, message: str) -> None:
    """Write ``{"reason", "message"}`` as one line of JSON where the kubelet picks it up.

    Outside a pod the file cannot be written; that must not hide the failure itself, so it is only mentioned.
    """
    line = _one_line(reason, message)
    while len(line) > TERMINATION_MESSAGE_BYTES:
        message = message[: len(message) // 2] + "…"
        line = _one_line(reason, message)
    leave_termination(path, line)


def leave_termination(path: str, line: bytes) -> None:
    """Write a whole termination message, at most TERMINATION_MESSAGE_BYTES, where the kubelet picks it up."""
    try:
        # No O_CREAT: in a pod the kubelet has mounted the file; elsewhere nothing reads it.
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(line)
    except OSError as error:
        print(f"no termination message was written: {error}", file=sys.stderr)


def _one_line(reason: Reason, message: str) -> bytes:
    return json.dumps({"reason": reason.value, "message": message}, ensure_ascii=False).encode()
