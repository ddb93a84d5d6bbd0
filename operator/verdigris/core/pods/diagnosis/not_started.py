"""Pods that do not get as far as running: no node, something missing that they refer to, no sandbox or volume."""

from __future__ import annotations

import re
from decimal import Decimal

from verdigris.core.facts.observed import PodView
from verdigris.core.pods.diagnosis.check import Around, Check, Diagnosis
from verdigris.core.pods.diagnosis.questions import (
    BEFORE_A_START,
    began,
    give_up_after,
    others_are_ready,
    starting,
    stuck_after,
    takes_pods,
    waiting,
)
from verdigris.core.pods.diagnosis.words import QUOTED, clip, said, scheduler_words, tidy
from verdigris.core.pods.room.words import spell
from verdigris.core.words import sentence

_CREATING = (*BEFORE_A_START, "CreateContainerError", "CreatePodSandboxError", "")
_PULL_EVENTS = ("Pulling", "Pulled", "Failed")
_SAID_OF_CREATING = (
    ("FailedMount", ("MountVolume",)),
    ("FailedAttachVolume", ()),
    ("FailedMount", ()),
    ("FailedCreatePodSandBox", ()),
    ("NetworkNotReady", ()),
)
"""By how much they tell: that a volume could not be mounted says less than why."""

_LACKS = (
    (re.compile(r"node\(s\) had untolerated taint\(?s?\)? ?(\{[^}]*\})?"), "a taint that the pod does not tolerate {}"),
    (re.compile(r"node\(s\) didn't match Pod's node affinity/selector"), "other labels than spec.serving.nodeSelector"),
    (re.compile(r"node\(s\) were unschedulable"), "been cordoned"),
    (
        re.compile(r"pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"),
        "a pod that has its claim, which only one pod may have",
    ),
    (re.compile(r"Too many pods"), "all the pods that it may have"),
)
_SHARE = re.compile(r"(\d+) (.+)")


def unschedulable(pod: PodView, around: Around) -> Diagnosis | None:
    """The scheduler finds no node for it."""
    if pod.unscheduled is None or not starting(pod):
        return None
    words = scheduler_words(pod.unscheduled.message)
    message = f'{_why_no_node(words, pod, around)} The scheduler says: "{words}"'
    return Diagnosis(
        "Unschedulable", pod.unscheduled.reason, clip(message), "None", pod.created, pod.created + stuck_after(around)
    )


def _why_no_node(words: str, pod: PodView, around: Around) -> str:
    """The scheduler's list as a sentence, with what to do."""
    claim = re.search(r'persistentvolumeclaim "([^"]+)" (not found|is being deleted)', words)
    if claim:
        state = "does not exist" if claim[2] == "not found" else "is being deleted"
        return f"No node can take the pod: its PersistentVolumeClaim {claim[1]} {state}. Create it."
    if "unbound" in words and "PersistentVolumeClaim" in words:
        return "No node can take the pod: no volume is bound to its PersistentVolumeClaim. Provide one."
    head, _, tail = words.partition(" nodes are available: ")
    lacks = [lack for part in tail.rstrip(".").split(", ") if (lack := _lack(part, pod, around))]
    if not lacks:
        return "No node takes the pod."
    advice = "Lower spec.serving.resources.requests, or add a node." if "free" in " ".join(lacks) else _PLACEMENT
    return f"No node takes the pod: of {head.partition('/')[2]} nodes, {', '.join(lacks)}. {advice}"


_PLACEMENT = "Correct spec.serving.nodeSelector or tolerations, or add a node."


def _lack(part: str, pod: PodView, around: Around) -> str | None:
    """`1 Insufficient cpu` as `1 has too little cpu free`; None for what is not known."""
    short = re.fullmatch(r"(\d+) Insufficient (\S+)", part)
    if short:
        verb = "has" if short[1] == "1" else "have"
        return f"{short[1]} {verb} too little {short[2]} free{_how_little(short[2], pod, around)}"
    share = _SHARE.fullmatch(part)
    if share is None:
        return None
    verb = "has" if share[1] == "1" else "have"
    for pattern, lack in _LACKS:
        found = pattern.search(share[2])
        if found:
            return f"{share[1]} {verb} {lack.format(*(group or '' for group in found.groups()))}".rstrip()
    return None


def _how_little(resource: str, pod: PodView, around: Around) -> str:
    """What the pod needs beside what the emptiest node has; nothing when either is not known."""
    needed, nodes = pod.requests.get(resource), [node for node in (around.nodes or {}).values() if takes_pods(node)]
    if not needed or not nodes:
        return ""
    none = Decimal(0)
    free = max(node.allocatable.get(resource, none) - node.requested.get(resource, none) for node in nodes)
    most = spell(resource, max(free, none), down=True)
    return f" (the pod needs {spell(resource, needed)}, the most that a node has free is {most})"


def config_error(pod: PodView, around: Around) -> Diagnosis | None:
    """Something that a container's environment is taken from is missing. It may be created any moment."""
    container = waiting(pod, "CreateContainerConfigError") if starting(pod) else None
    if container is None:
        return None
    since = began(pod)
    return Diagnosis(
        "ConfigError",
        "CreateContainerConfigError",
        clip(f"Container {container.name} cannot start: {_missing(tidy(container.said))}"),
        "None",
        since,
        since + give_up_after(around),
        hopeless=not others_are_ready(pod, around),
    )


def _missing(words: str) -> str:
    whole = re.search(r'(secret|configmap) "([^"]+)" not found', words)
    if whole:
        kind = "Secret" if whole[1] == "secret" else "ConfigMap"
        return f"its {kind} {whole[2]} does not exist. Create it, or correct the name."
    key = re.search(r"couldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)", words)
    if key:
        return f"its {key[2]} {key[3]} has no key {key[1]}. Add it, or correct its name."
    return (
        f"{sentence(clip(words, QUOTED)) or 'what its environment is taken from is missing.'} Correct it in the spec."
    )


def creating(pod: PodView, around: Around) -> Diagnosis | None:
    """On a node, and no container gets made: a volume, the network or the container runtime."""
    if not starting(pod) or not pod.node or pod.unscheduled or not _is_creating(pod):
        return None
    since = began(pod)
    ripe_at = since + stuck_after(around)
    if _is_pulling(around):
        # To begin anew would only make it take longer.
        message = f"Node {pod.node} is still pulling the pod's image. Look at its size and at the registry."
        return Diagnosis("Creating", "PullingImage", message, "None", since, ripe_at, passing=True)
    reason, words = _why_creating(pod, around)
    told = sentence(words) if words else "The kubelet has not said why."
    message = f"The pod's containers are not created on node {pod.node}: {told} Look at its network and volumes."
    return Diagnosis("Creating", reason, clip(message), "Evict", since, ripe_at, passing=True)


def _is_pulling(around: Around) -> bool:
    last = [event.reason for event in sorted(around.events, key=lambda event: event.at)]
    return next((reason for reason in reversed(last) if reason in _PULL_EVENTS), None) == "Pulling"


def _is_creating(pod: PodView) -> bool:
    """Whether nothing runs, has run or is pulled: what comes after a finished init step counts too."""
    pending = [c for c in pod.containers if not (c.init and c.exit and c.exit.code == 0)]
    return all(
        c.running_since is None and c.waiting in _CREATING and (c.exit is None or c.waiting in BEFORE_A_START)
        for c in pending
    )


def _why_creating(pod: PodView, around: Around) -> tuple[str, str]:
    refused = waiting(pod, "CreateContainerError", "CreatePodSandboxError")
    if refused:
        return refused.waiting, clip(tidy(refused.said), QUOTED)
    for reason, beginnings in _SAID_OF_CREATING:
        words = said(around.events, reason, *beginnings)
        if words:
            return reason, words
    return "ContainerCreating", ""


PLACING = (
    Check(
        "Unschedulable",
        "The condition PodScheduled is False; the scheduler's words say which resource, taint, selector or claim.",
        "Nothing by itself: `spec.rollout.onInsufficientCapacity` decides for a candidate. An active pod is only "
        "reported.",
        "Add a node, lower `spec.serving.resources.requests`, correct selector, tolerations or claim.",
        unschedulable,
    ),
)
CONFIGURING = (
    Check(
        "ConfigError",
        "A container waits with CreateContainerConfigError; the message names the Secret or ConfigMap, or its key.",
        "Ends a candidate's rollout after `giveUpAfter`. An active pod is only reported.",
        "Create the Secret, or correct `spec.model.credentialsSecret`.",
        config_error,
    ),
)
CREATING = (
    Check(
        "Creating",
        "On a node, but no container runs for `stuckAfter`; Events FailedMount, FailedAttachVolume or "
        "FailedCreatePodSandBox say why.",
        "Evicted; while the image is still being pulled only reported.",
        "Look at the node: its network plugin, its volumes, its container runtime.",
        creating,
    ),
)
