"""What the operator costs with many ModelDeployments: memory, processor, writes, and how fast it acts on a change.

Run `python -m benchmarks.operator_cost` for the table of docs/performance.md (about ten minutes). It installs the
operator by its chart as a user would and puts the models' pods on fake nodes, so that only the operator, the API
server and Kubernetes' own controllers work. Writes and times are taken from the API server's audit log, not from what
the operator says of itself; memory and processor time from its /metrics.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from dev.cluster import Cluster, ensure_up, fake_nodes, images
from dev.demo.install import NAMESPACE as OPERATOR_NAMESPACE
from dev.demo.install import install_operator, operator_pods

NAMESPACE = "operator-cost"
NODES = 4
AGENT = "verdigris-operator"
CHANGES = 25
"""Specs that are changed, one after the other, to see how soon the operator acts."""


class Audit:
    """The writes that the API server has carried out since this was made."""

    def __init__(self, path: Path) -> None:
        self._file = path.open()
        self._file.seek(0, 2)
        self._events: list[dict[str, Any]] = []

    def writes(self, namespace: str, *, by_operator: bool) -> Iterator[tuple[datetime, str]]:
        """When (as the API server received it) and what, in this namespace, by the operator or by anybody else."""
        self._events += [json.loads(line) for line in self._file if line.endswith("\n")]
        for event in self._events:
            target = event.get("objectRef") or {}
            ours = event.get("userAgent") == AGENT
            carried_out = event["stage"] == "ResponseComplete" and event["responseStatus"].get("code", 500) < 300
            if target.get("namespace") == namespace and ours is by_operator and carried_out:
                at = datetime.fromisoformat(event["requestReceivedTimestamp"])
                yield at, f"{event['verb']} {target['resource']}/{target.get('name', '')}"


def main() -> None:
    """Measure and print; also into out/benchmarks/operator_cost.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--window", type=int, default=300, help="seconds of rest that are watched")
    options = parser.parse_args()
    cluster = ensure_up()
    if cluster.audit_log is None:
        raise SystemExit(f"The provider {cluster.provider} shows no audit log: run this with VERDIGRIS_PROVIDER=local.")
    cluster.load_images()
    install_operator(cluster)
    fake_nodes.scale(cluster, NODES)
    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        found = measure(cluster, Audit(cluster.audit_log), options.models, options.window)
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE)
        fake_nodes.scale(cluster, 0)
    report = {"machine": f"{platform.machine()}, Linux {platform.release()}", "provider": cluster.provider} | found
    folder = Path("out/benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "operator_cost.json").write_text(json.dumps(report, indent=2) + "\n")
    for name, value in report.items():
        print(f"| {name.replace('_', ' ')} | {value} |")


def measure(cluster: Cluster, audit: Audit, models: int, window: int) -> dict[str, Any]:
    """The figures by name; times in seconds unless the name says otherwise."""
    began = time.monotonic()
    apply_models(cluster, models)
    until(lambda: active(cluster) == models, f"{models} active models", 600)
    start = round(time.monotonic() - began, 1)
    until_silent(audit)
    rest = at_rest(cluster, audit, window)
    looks = forced_looks(cluster, audit, models)
    times = [reaction(cluster, audit, f"model-{number}") for number in range(min(CHANGES, models))]
    return {
        "models": models,
        "start_of_all_s": start,
        **rest,
        "writes_when_all_are_looked_at_again": looks,
        "spec_change_to_first_write_ms_median": round(statistics.median(times) * 1000),
        "spec_change_to_first_write_ms_worst": round(max(times) * 1000),
        "image_mb_unpacked": image_size(cluster),
    }


def at_rest(cluster: Cluster, audit: Audit, window: int) -> dict[str, Any]:
    """Memory, processor and writes while nothing changes."""
    leader = the_leader(cluster)
    written = count(audit)
    before, began = metrics(cluster, leader), time.monotonic()
    time.sleep(window)
    after, seconds = metrics(cluster, leader), time.monotonic() - began
    used = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    return {
        "watched_s": round(seconds),
        "writes_at_rest": count(audit) - written,
        "cpu_percent_of_a_core": round(100 * used / seconds, 2),
        "rss_mb_of_the_leader": round(after["process_resident_memory_bytes"] / 1e6, 1),
        "rss_mb_of_the_standby": round(
            max(metrics(cluster, pod)["process_resident_memory_bytes"] for pod in pods(cluster) if pod != leader) / 1e6,
            1,
        ),
    }


def forced_looks(cluster: Cluster, audit: Audit, models: int) -> int:
    """Writes by the operator when every model is reconciled again for nothing, as by a resync."""
    leader, written = the_leader(cluster), count(audit)
    done = reconciles(cluster, leader)
    cluster.kubectl("-n", NAMESPACE, "annotate", "--overwrite", "mdep", "--all", f"look={time.time_ns()}")
    until(lambda: reconciles(cluster, leader) >= done + models, "a look at every model", 120)
    return count(audit) - written


def reaction(cluster: Cluster, audit: Audit, name: str) -> float:
    """Seconds from when the API server received a changed spec until it received the operator's first write for it."""
    patch = json.dumps({"spec": {"autoscaling": {"maxReplicas": 5}}})
    written, asked = count(audit), len(list(audit.writes(NAMESPACE, by_operator=False)))
    cluster.kubectl("-n", NAMESPACE, "patch", "mdep", name, "--type=merge", "-p", patch)
    until(lambda: count(audit) > written, f"a write for {name}", 30)
    first = list(audit.writes(NAMESPACE, by_operator=True))[written][0]
    patched = next(
        at
        for at, what in list(audit.writes(NAMESPACE, by_operator=False))[asked:]
        if what == f"patch modeldeployments/{name}"
    )
    return (first - patched).total_seconds()


def apply_models(cluster: Cluster, count: int, namespace: str = NAMESPACE) -> None:
    """That many ModelDeployments of two pods each, on fake nodes. No ServiceMonitors: there is nothing to scrape."""
    items = [
        {
            "apiVersion": "verdigris.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": f"model-{number}", "namespace": namespace},
            "spec": {
                "model": {"version": "1.0.0", "uri": "https://models.example.com/m.vmodel", "sha256": "a" * 64},
                "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
                "monitoring": {"serviceMonitor": {"enabled": False}},
                "serving": {"nodeSelector": {"type": "kwok"}, "tolerations": [{"operator": "Exists"}]},
            },
        }
        for number in range(count)
    ]
    cluster.kubectl(
        "apply", "--server-side", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    )


def active(cluster: Cluster, namespace: str = NAMESPACE) -> int:
    """How many of them serve a version and are through with their rollout."""
    listed = json.loads(cluster.kubectl("-n", namespace, "get", "mdep", "-o", "json"))["items"]
    states = [item.get("status") or {} for item in listed]
    return sum("active" in state and "rollout" not in state for state in states)


def until_silent(audit: Audit) -> None:
    """Until nobody's write has followed another for ten seconds: Kubernetes' own controllers are through as well."""
    seen: list[int] = []

    def silent() -> bool:
        time.sleep(1)
        seen.append(count(audit))
        return len(seen) > 10 and seen[-1] == seen[-10]

    until(silent, "silence", 300)


def count(audit: Audit) -> int:
    """Writes by the operator so far."""
    return len(list(audit.writes(NAMESPACE, by_operator=True)))


def pods(cluster: Cluster) -> list[str]:
    """The operator's pods."""
    return operator_pods(cluster)


def the_leader(cluster: Cluster) -> str:
    """The pod that holds the lease."""
    return next(pod for pod in pods(cluster) if metrics(cluster, pod)["verdigris_leader"] == 1)


def reconciles(cluster: Cluster, pod: str) -> float:
    """Reconciles so far, well or not."""
    found = metrics(cluster, pod)
    return sum(
        value for name, value in found.items() if name.startswith("verdigris_controller_runtime_reconcile_total")
    )


def metrics(cluster: Cluster, pod: str) -> dict[str, float]:
    """The series of a replica, by name and labels."""
    address = cluster.kubectl("-n", OPERATOR_NAMESPACE, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
    with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def image_size(cluster: Cluster) -> int:
    """Megabytes (10^6 bytes) of all files in the operator's image."""
    archive = images.build(cluster.settings, cluster.backend, images.PROJECT_IMAGES[0])
    return round(sum(images.layer_sizes(archive)) / 1e6)


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for it; ends the program with a sentence when it does not come in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come within {seconds} s: see `kubectl -n {NAMESPACE} get mdep,events`.")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
