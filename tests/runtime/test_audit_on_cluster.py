"""The audit log of a real operator process on the real API server: through a volume that is away, and a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.cluster import Cluster
from tests.runtime.process import OperatorProcess, until
from tests.runtime.test_on_cluster import Site, a_site
from verdigris.adapters.audit.folder import read
from verdigris.audit.check import Sound, check
from verdigris.audit.event import WHAT, read_line
from verdigris.audit.note import Signer

pytestmark = pytest.mark.cluster


@pytest.fixture
def site(cluster: Cluster) -> Iterator[Site]:
    with a_site(cluster) as site:
        site.kubectl("create", "configmap", "audit-spool")
        yield site


def test_what_happens_while_the_log_is_away_is_there_once_after_the_operator_was_killed(
    site: Site, tmp_path: Path
) -> None:
    signer = Signer.generate("cluster.example/audit")
    key, volume = tmp_path / "audit.key", tmp_path / "volume"
    key.write_text(f"{signer}\n")
    volume.write_text("a file, where the log's folder is to be: it cannot be written")
    settings = {"audit_folder": str(volume / "log"), "audit_key": str(key), "audit_spool": "audit-spool"}

    def started() -> OperatorProcess:
        return OperatorProcess(site.cluster.kubeconfig, site.namespace, tmp_path, **settings)

    def spool() -> dict[str, str]:
        return dict(site.get("configmap", "audit-spool").get("data") or {})

    with started() as operator:
        site.bring_up()
        until(lambda: "service.deployed" in json.dumps(spool()), "the version's entry in the spool")
        assert "The audit log cannot be written" in operator.get("/readyz")[1]
        operator.process.kill()
    waiting = len(spool())
    volume.unlink()
    with started() as operator:
        until(lambda: operator.sum("verdigris_audit_entries") > waiting, "entries in the log", seconds=60)
        until(lambda: not spool(), "an empty spool")
        assert operator.get("/readyz") == (200, "ok\n")
        assert operator.stop() == 0
    copy = read(volume / "log")
    assert isinstance(check(copy.lines, copy.checkpoints, signer.verifier), Sound)
    events = [read_line(line) or {} for line in copy.lines]
    told = [WHAT[event["type"]] for event in events]
    # Another operator of the cluster may have gone a step before this one saw it.
    assert [what for what in told if what not in ("began", "step")] == ["operator", "deployed", "operator"], told
    assert len({event["id"] for event in events}) == len(events)
    assert {event["subject"] for event in events} >= {f"{site.namespace}/diabetes"}
