"""The audit log by the settings: off, on, and with a key that is missing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from tests.audit.logs import NOW, SIGNER
from tests.audit.test_log import sound
from tests.audit.test_trail import ConfigMaps
from verdigris.app.audit import Trail
from verdigris.app.audit_setup import trail
from verdigris.app.settings import from_environment
from verdigris.app.statuses import Statuses


def made(folder: Path, registry: CollectorRegistry) -> Trail:
    words = {"AUDIT_FOLDER": str(folder / "log"), "AUDIT_KEY": str(folder / "audit.key"), "AUDIT_SPOOL": "spool"}
    settings = from_environment(
        {f"VERDIGRIS_{name}": text for name, text in words.items()} | {"VERDIGRIS_LEASE_NAMESPACE": "system"}
    )
    found = trail(settings, ConfigMaps(), Statuses(), registry, identity="operator-1", now=lambda: NOW)  # type: ignore[arg-type]
    assert found is not None
    return found


async def until_told(found: Trail, registry: CollectorRegistry, line: str) -> None:
    running = asyncio.create_task(found.run())
    async with asyncio.timeout(60):
        while line not in generate_latest(registry).decode():
            await asyncio.sleep(0.01)
    running.cancel()


async def test_with_a_folder_and_a_key_it_is_written_and_counted(tmp_path: Path) -> None:
    (tmp_path / "audit.key").write_text(f"{SIGNER}\n")
    registry = CollectorRegistry()
    found = made(tmp_path, registry)
    await until_told(found, registry, "verdigris_audit_entries 1.0")
    assert "verdigris_audit_log_up 1.0" in generate_latest(registry).decode()
    assert sound(tmp_path / "log") == 1


async def test_while_the_key_is_missing_entries_wait_and_it_is_said(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    found = made(tmp_path, registry)
    await until_told(found, registry, "verdigris_audit_spooled 1.0")
    assert "put it, as audit.key, into the Secret that audit.keySecret names" in (found.sentence or "")
    assert "verdigris_audit_log_up 0.0" in generate_latest(registry).decode()


def test_an_operator_without_an_audit_log_imports_nothing_of_it() -> None:
    program = (
        "import sys; import verdigris.app.runtime; print(*[name for name in sys.modules if name.startswith("
        "('cryptography', 'rfc8785', 'verdigris.adapters.audit', 'verdigris.app.audit_notes'))])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""
