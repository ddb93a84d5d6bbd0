"""The audit log by the settings: where it is, which key signs it, and what /metrics tells about it.

What writes and signs is imported once it is asked for: an operator without an audit log does not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

from verdigris import __version__
from verdigris.adapters.kube.transport.client import Client
from verdigris.app.settings import Settings
from verdigris.app.statuses import Statuses

if TYPE_CHECKING:
    from verdigris.app.audit import OpenLog, Trail

Clock = Callable[[], datetime]


class AuditMetrics:
    """The series of the audit log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge("verdigris_audit_log_up", "1 while the audit log can be written.", registry=registry)
        self._size = Gauge("verdigris_audit_entries", "Entries in the audit log.", registry=registry)
        self._spooled = Gauge("verdigris_audit_spooled", "Entries that wait in the spool.", registry=registry)
        self._dropped = Counter(
            "verdigris_audit_dropped_total",
            "Entries that found no room in the spool. Those that a status still tells are recorded later.",
            registry=registry,
        )

    def log_is(self, *, up: bool, entries: int | None = None) -> None:
        """Whether it can be written, and how long it is."""
        self._up.set(up)
        if entries is not None:
            self._size.set(entries)

    def waiting(self, spooled: int) -> None:
        """So many wait in the spool."""
        self._spooled.set(spooled)

    def dropped(self, count: int) -> None:
        """So many found no room."""
        self._dropped.inc(count)


def trail(
    settings: Settings, client: Client, statuses: Statuses, registry: CollectorRegistry, *, identity: str, now: Clock
) -> Trail | None:
    """The trail that the settings ask for, if they ask for one. `identity` is who holds the lease."""
    if settings.audit_folder is None:
        return None
    from verdigris.adapters.kube.writing.spool import Spool  # noqa: PLC0415
    from verdigris.app.audit import Trail  # noqa: PLC0415

    return Trail(
        statuses=statuses,
        opener=partial(_opened, settings.audit_folder, settings.audit_key, now),
        spool=Spool(client, settings.lease_namespace, settings.audit_spool),
        told=AuditMetrics(registry),
        identity=identity,
        version=__version__,
        now=now,
    )


def _opened(folder: Path, key: Path, now: Clock) -> OpenLog:
    """Raises FolderError, NoteError, OSError. The key is read each time: it may be mended while the operator runs."""
    from verdigris.adapters.audit.folder import FolderError  # noqa: PLC0415
    from verdigris.adapters.audit.log import Log  # noqa: PLC0415
    from verdigris.audit.note import Signer  # noqa: PLC0415

    try:
        text = key.read_text(encoding="utf-8")
    except OSError as error:
        where = "the Secret that audit.keySecret names in the chart's values"
        raise FolderError(f"its key cannot be read ({error}): put it, as audit.key, into {where}") from error
    return Log.open(folder, Signer.parse(text), now)
