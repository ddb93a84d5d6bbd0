"""The Jobs of gates: a controller that makes their pods, what those answer, and what may be the matter with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from tests.runtime.fake_api import Json
from tests.simulation.controllers import Behaviour, Controllers
from tests.simulation.objects import is_ending, is_owned, number_of, reference
from tests.simulation.server import STAMP, Server, ref_of
from verdigris.children.names import GATE_CONTAINER, GATE_LABEL
from verdigris.core.steps.gate_document import digest

TAKES = timedelta(seconds=2)
"""How long a gate runs."""
PODS_OF_JOB = "batch.kubernetes.io/job-name"
"""The label by which Kubernetes marks them."""
OTHER = "0" * 64
"""The question of another revision's gate."""

Trouble = Literal["none", "does not start", "crashes first", "answers twice", "answers for another revision"]


@dataclass
class Gates:
    """Makes the pods of Jobs, and lets them answer. `trouble` is what is the matter with those that begin, or go on."""

    server: Server
    controllers: Controllers
    trouble: Trouble = "none"
    passed: set[str] = field(default_factory=set)
    """The questions (their SHA-256) that some gate has answered with a Pass."""
    _serial: int = 0

    def tick(self) -> None:
        """One pass over all Jobs of gates, and over the pods of those that are gone."""
        for job in self._jobs():
            self._job(job)
        for pod in self._pods(is_ending):
            self.server.end(ref_of(pod))

    def delete_all(self) -> None:
        """Somebody deletes every Job of a gate."""
        for job in self._jobs():
            self.server.remove(ref_of(job))

    def _jobs(self) -> list[Json]:
        return [job for job in self.server.of("Job") if GATE_LABEL in _template(job)["metadata"].get("labels", {})]

    def _pods(self, which: Callable[[Json], bool]) -> list[Json]:
        pods = [pod for pod in self.server.of("Pod") if GATE_LABEL in pod["metadata"].get("labels", {}) and which(pod)]
        return sorted(pods, key=number_of)

    def _job(self, job: Json) -> None:
        if (job.get("status") or {}).get("conditions"):
            return
        pods = self._pods(lambda pod: is_owned(pod, job))
        if not pods or (_has_ended(pods[-1]) and len(pods) < 2):
            self._begin(job)
        elif not _has_ended(pods[-1]) and self.trouble != "does not start":
            self._go_on(job, pods)

    def _begin(self, job: Json) -> None:
        self._serial += 1
        name, template = job["metadata"]["name"], _template(job)
        meta = {
            "name": f"{name}-{self._serial}",
            "namespace": job["metadata"]["namespace"],
            "labels": {**template["metadata"]["labels"], PODS_OF_JOB: name},
            "ownerReferences": [reference("Job", "batch/v1", job)],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
        self.server.put({**pod, "status": {"phase": "Pending"}})

    def _go_on(self, job: Json, pods: list[Json]) -> None:
        now, pod = self.server.now(), pods[-1]
        if now < datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) + TAKES:
            return
        if len(pods) == 1 and self.trouble == "crashes first":
            self._end(pod, "Killed", 137)
            return
        answer = self._answer(job)
        self._end(pod, json.dumps(answer), 0 if answer["verdict"] == "Pass" else 10)
        if len(pods) == 1 and self.trouble == "answers twice":
            return
        over = {"type": "Complete" if answer["verdict"] == "Pass" else "Failed", "status": "True", "reason": "Ended"}
        self.server.set_status(ref_of(job), {"conditions": [over]})

    def _answer(self, job: Json) -> Json:
        """What the gate says of the version that its question names, to the very question that it was asked."""
        told = next(one for one in _template(job)["spec"]["containers"][0]["env"] if one["name"] == "VERDIGRIS_GATE")
        asked = OTHER if self.trouble == "answers for another revision" else digest(told["value"])
        version = json.loads(told["value"])["model"]["version"]
        fails = self.controllers.behaviours.get(version, Behaviour()).fails_gates
        if not fails:
            self.passed.add(asked)
        verdict, reason = ("Fail", "ThresholdMissed") if fails else ("Pass", "AllPassed")
        return {"asked": asked, "verdict": verdict, "reason": reason, "message": f"{version}: {verdict}", "checks": []}

    def _end(self, pod: Json, said: str, code: int) -> None:
        ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "message": said}
        server = {"name": GATE_CONTAINER, "restartCount": 0, "ready": False, "state": {"terminated": ended}}
        phase = "Succeeded" if code == 0 else "Failed"
        at = {"startTime": self.server.now().strftime(STAMP)}
        self.server.set_status(ref_of(pod), {"phase": phase, "containerStatuses": [server], **at})


def _template(job: Json) -> Json:
    """Of a Job that has none, nothing."""
    found: Json = job["spec"].get("template") or {"metadata": {}}
    return found


def _has_ended(pod: Json) -> bool:
    phase: Any = pod["status"]["phase"]
    return phase in ("Succeeded", "Failed")
