"""Whether a version crashes: how often its servers end within a window, for which causes, and against the active one.

What ends a server is told apart (law 17): its own fault (an exit code, its memory, its disk), what nobody can tell (a
signal), and its surroundings (its node, its sandbox), which are never counted. Ends are remembered in the rollout's
status, so those of a pod that is gone by now count as well, and those of long ago do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from verdigris.api.status import ContainerExit, Failure, RevisionRef
from verdigris.children.names import SERVER_CONTAINER
from verdigris.core.facts.observed import ContainerView, PodView
from verdigris.core.pods.diagnosis.crash import how_it_ended
from verdigris.core.pods.diagnosis.questions import BEFORE_A_START, TERMINAL
from verdigris.core.turn import Turn, evolve
from verdigris.core.words import clip

WINDOW = timedelta(minutes=10)
"""Ends that are further apart have nothing to do with each other. A container that keeps ending is started again after
at most five minutes, so a crash loop has at least two ends in it however long it has gone on."""
REPEATED = 2
"""Ends within the window that are no accident: of one container, or of any when they are the version's own faults."""
TOGETHER = timedelta(minutes=2)
"""Servers of both versions that end on one node within this time end for the same cause. A node that is lost counts as
lost after 40 s, and one that reboots is back within about a minute."""
BACK = timedelta(minutes=5)
"""A node that turned ready within this time after a server on it had ended was away: it rebooted."""
PER_REVISION = 20
PER_CONTAINER = 5
"""Entries that are kept: enough to judge by, however many pods end however often."""

_OWN = frozenset({"Crashed", "OutOfMemory", "StorageExceeded", "ProbeFailed"})
SURROUNDINGS = frozenset({"NodeDown", "SandboxChanged"})
"""Causes that are not the version's."""
_NOBODY_KNOWS = {0: "Ended", 137: "Killed", 143: "Ended"}
"""Exit codes that say how it ended, but not for what: of itself or as told, by SIGKILL, by SIGTERM."""
_LOST_SIGHT = frozenset({"Unknown", "ContainerStatusUnknown"})
"""What the kubelet says of a container whose end nobody saw, because the node or its runtime was down."""
_TOO_MUCH_STORAGE = ("exceeds the limit", "exceeded its local ephemeral storage limit", "exceeds the total limit")


def remember_exits(turn: Turn) -> Turn:
    """The turn with new ends of either version's servers in `status.rollout.exits`; itself when there is none."""
    if turn.status.rollout is None:
        return turn
    rollout = turn.rollout
    judged = {ref.revision for ref in (rollout, turn.active) if ref is not None}
    known = {(entry.uid, entry.ends): entry for entry in rollout.exits}
    latest = Counter({uid: 0 for uid, _ in known})
    for uid, ends in known:
        latest[uid] = max(latest[uid], ends)
    entries = dict(known)
    for pod in turn.observed.pods:
        # A copy that somebody made by hand is no pod of the version.
        entry = _entry(turn, pod, latest[pod.uid]) if pod.revision in judged and pod.controlled else None
        if entry is not None:
            entries[entry.uid, entry.ends] = _as_known(known.get((entry.uid, entry.ends)), entry)
    kept = _bounded(entries.values())
    return turn if kept == rollout.exits else turn.change_rollout(exits=kept)


def _entry(turn: Turn, pod: PodView, before: int) -> ContainerExit | None:
    """How the pod's server ended last; `before`: how often it was known to have ended. A pod on its way out may."""
    evicted = _is_evicted_for_its_disk(pod)
    if pod.terminating or (pod.phase in TERMINAL and not evicted):
        return None
    server, ends = _server(pod), server_ends(pod)
    if ends == 0 or ends < before:
        return None
    # The kubelet's clock may be wrong: nothing ends before it was seen not to have, or after it was seen to have ended.
    at = min(turn.now, max(_not_before(turn, pod, ends), (server.exit.at if server.exit else None) or turn.now))
    # Of those that nobody saw, it is only known that they came after the pod did.
    unseen = ends - before if before or pod.created > at - WINDOW else 1
    return ContainerExit(
        revision=pod.revision,
        pod=pod.name,
        uid=pod.uid,
        node=pod.node,
        at=at,
        ends=ends,
        count=max(1, unseen),
        cause="StorageExceeded" if evicted else _cause(turn, pod, server),
        message=clip(pod.message if evicted else _in_words(server), 300),
    )


def _not_before(turn: Turn, pod: PodView, ends: int) -> datetime:
    """When the pod's server certainly had not ended so often: at the last look, or before the pod was made."""
    last = turn.observed.last_look
    if last is None or last.ends.get(pod.uid, ends) >= ends:
        return pod.created
    return max(pod.created, last.at)


def server_ends(pod: PodView) -> int:
    """How often the pod's server has ended, its eviction for its disk included."""
    return _server(pod).exits + _is_evicted_for_its_disk(pod)


def _server(pod: PodView) -> ContainerView:
    server = next((container for container in pod.containers if container.name == SERVER_CONTAINER), None)
    # Before the kubelet has told of the containers, what is known of restarts is all there is.
    return server or ContainerView(SERVER_CONTAINER, restarts=pod.restarts, running_since=pod.created)


def _is_evicted_for_its_disk(pod: PodView) -> bool:
    return pod.phase == "Failed" and any(words in pod.message for words in _TOO_MUCH_STORAGE)


def _in_words(server: ContainerView) -> str:
    """How it ended this once."""
    if server.exit is None:
        return f"Container {server.name} was started again; how it had ended is not known."
    return f"Container {server.name} {how_it_ended(replace(server, restarts=0))}"


def _as_known(old: ContainerExit | None, new: ContainerExit) -> ContainerExit:
    """An end stays as it was first told; only that its surroundings did it may come out later, and then it stays so."""
    if old is None:
        return new
    if new.cause in SURROUNDINGS and old.cause not in SURROUNDINGS:
        return evolve(old, cause=new.cause)
    return old


def _cause(turn: Turn, pod: PodView, server: ContainerView) -> str:
    ended = server.exit
    if ended is None:
        return "Unknown"
    if ended.reason == "OOMKilled":
        return "OutOfMemory"
    if ended.reason in _LOST_SIGHT or _node_was_down(turn, pod, ended.at):
        return "NodeDown"
    if _sandbox_is_new(pod, server):
        return "SandboxChanged"
    if ended.code not in _NOBODY_KNOWS:
        return "Crashed"
    probed = any(
        event.reason == "Unhealthy" and event.message.startswith("Liveness probe")
        for event in turn.observed.events.get(pod.uid, ())
    )
    return "ProbeFailed" if probed else _NOBODY_KNOWS[ended.code]


def _node_was_down(turn: Turn, pod: PodView, at: datetime | None) -> bool:
    survey = turn.observed.survey
    node = next((node for node in survey.nodes if node.name == pod.node), None) if survey else None
    if node is None:
        return bool(survey and survey.nodes and pod.node)
    came_back = at is not None and node.since is not None and at <= node.since <= at + BACK
    return not node.ready or came_back


def _sandbox_is_new(pod: PodView, server: ContainerView) -> bool:
    """Whether the pod's init steps ran again after its server had ended: only a new sandbox brings that, never a crash.

    A node that reboots, or loses its container runtime, makes all sandboxes anew.
    """
    ended = server.exit.at if server.exit else None
    if server.waiting in BEFORE_A_START:
        return True
    steps = (container for container in pod.containers if container.init and not container.sidecar)
    times = (step.running_since or (step.exit.at if step.exit else None) for step in steps)
    return ended is not None and any(at is not None and at > ended for at in times)


def _bounded(entries: Iterable[ContainerExit]) -> tuple[ContainerExit, ...]:
    newest = sorted(entries, key=lambda entry: (entry.at, entry.uid, entry.ends), reverse=True)
    of_pod, of_revision = Counter[str](), Counter[str]()
    kept = []
    for entry in newest:
        of_pod[entry.uid] += 1
        of_revision[entry.revision] += of_pod[entry.uid] <= PER_CONTAINER
        if of_pod[entry.uid] <= PER_CONTAINER and of_revision[entry.revision] <= PER_REVISION:
            kept.append(entry)
    return tuple(reversed(kept))


def crashing(turn: Turn) -> Failure | None:
    """Why the candidate counts as crashing; None while it does not do so more than the active version, if there is one.

    The first version of all is held against nobody: what is the matter with its pods is told by their diagnosis.
    """
    rollout, active = turn.rollout, turn.active
    if active is None:
        return None
    theirs = _counted(turn, active)
    ours = _without_company(_counted(turn, rollout), theirs)
    sizes = len(turn.pods(rollout)), len(turn.pods(active))
    if not ours or not (_again(ours) > max(REPEATED - 1, _again(theirs)) or _too_many(ours, theirs, sizes)):
        return None
    last = ours[-1]
    total = sum(entry.count for entry in ours)
    others = sum(entry.count for entry in theirs)
    message = (
        f"Servers of version {rollout.version} ended {_times(total)} within {WINDOW // timedelta(minutes=1)} minutes, "
        f"those of {active.version} {_times(others)}. A server that ends answers nobody, so no error is counted. "
        f"Last, in pod {last.pod}{f' on node {last.node}' if last.node else ''}: {last.message}"
    )
    return Failure(reason="CandidateCrashing", message=clip(message))


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number} times")


def _counted(turn: Turn, ref: RevisionRef) -> tuple[ContainerExit, ...]:
    begin = max(turn.now - WINDOW, turn.rollout.started_at)
    return tuple(
        entry
        for entry in turn.rollout.exits
        if entry.revision == ref.revision and entry.at >= begin and entry.cause not in SURROUNDINGS
    )


def _without_company(ours: tuple[ContainerExit, ...], theirs: tuple[ContainerExit, ...]) -> tuple[ContainerExit, ...]:
    """Without the ends that came together with one of the active version's on the same node: one for each pod."""
    excused = set()
    for other in theirs:
        beside: dict[str, ContainerExit] = {}
        for entry in ours:
            near = bool(entry.node) and entry.node == other.node and abs(entry.at - other.at) <= TOGETHER
            if near and (entry.uid, entry.ends) not in excused:
                beside.setdefault(entry.uid, entry)
        excused |= {(entry.uid, entry.ends) for entry in beside.values()}
    return tuple(entry for entry in ours if (entry.uid, entry.ends) not in excused)


def _again(entries: Iterable[ContainerExit]) -> int:
    """The most ends of one container."""
    ends = Counter[str]()
    for entry in entries:
        ends[entry.uid] += entry.count
    return max(ends.values(), default=0)


def _too_many(ours: Iterable[ContainerExit], theirs: Iterable[ContainerExit], sizes: tuple[int, int]) -> bool:
    """Whether the version's own faults end its servers, and more often, for each pod, than those of the active one."""
    mine, others = _faults(ours), _faults(theirs)
    pods, active_pods = (size or 1 for size in sizes)
    return mine >= REPEATED and mine * active_pods > others * pods


def _faults(entries: Iterable[ContainerExit]) -> int:
    return sum(entry.count for entry in entries if entry.cause in _OWN)
