"""Pods that do not get as far as running: which check speaks, and that it says what is wrong."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.rollout.kubelet import (
    BORN,
    FETCHED,
    IMAGE,
    NODES,
    NOW,
    READY_SIBLING,
    ended,
    event,
    look,
    raw_pod,
    status,
    unscheduled,
    waiting,
)
from verdigris.core.facts.survey import NodeView
from verdigris.core.pods.diagnosis.words import scheduler_words

RESOLVE = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
HEAD = 'failed to do request: Head "https://registry.example.com/v2/verdigris/serving/manifests/1.2.0": '


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {gpu: only}. preemption: 0/2 "
            "nodes are available: 2 Preemption is not helpful for scheduling.",
            (
                "of 2 nodes, 1 has too little cpu free, 1 has a taint that the pod does not tolerate {gpu: only}",
                "requests",
            ),
        ),
        ("0/2 nodes are available: 2 node(s) had no available volume zone.", ("had no available volume zone",)),
        ("0/3 nodes are available: 3 Insufficient memory.", ("of 3 nodes, 3 have too little memory free",)),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are …",
            ("1 has other labels than spec.serving.nodeSelector", "Correct spec.serving.nodeSelector"),
        ),
        ("0/1 nodes are available: 1 node(s) were unschedulable.", ("1 has been cordoned",)),
        ("0/1 nodes are available: 1 Too many pods.", ("1 has all the pods that it may have",)),
        (
            '0/3 nodes are available: persistentvolumeclaim "models" not found. preemption: 0/3 nodes are available: 3 '
            "Preemption is not helpful for scheduling.",
            ("PersistentVolumeClaim models does not exist",),
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            ("no volume is bound to its PersistentVolumeClaim",),
        ),
        ("no nodes available to schedule pods", ("No node takes the pod.", "no nodes available")),
    ],
)
def test_no_node_is_told_in_plain_words_and_in_the_schedulers_own(words: str, says: tuple[str, ...]) -> None:
    found = look(raw_pod(status=unscheduled(words), spec={"nodeName": None}))
    assert (found.kind, found.reason, found.remedy, found.hopeless) == ("Unschedulable", "Unschedulable", "None", False)
    assert [part for part in says if part not in found.message] == []
    assert words.partition(" preemption:")[0].rstrip(".") in found.message
    assert "preemption:" not in found.message
    assert (found.since, found.ripe_at) == (BORN, BORN + timedelta(minutes=2))


def test_how_much_is_missing_is_told_when_the_nodes_are_known() -> None:
    words = "0/2 nodes are available: 2 Insufficient cpu."
    asks = {"containers": [{"name": "server", "resources": {"requests": {"cpu": "500m"}}}], "nodeName": None}
    nodes = {
        name: NodeView(name, allocatable={"cpu": Decimal(2)}, requested={"cpu": Decimal(taken)})
        for name, taken in (("worker-1", "1.9"), ("worker-2", "1.7"))
    }
    raw = raw_pod(status=unscheduled(words), spec=asks)
    assert "the pod needs 500m, the most that a node has free is 300m" in look(raw, nodes=nodes).message
    assert "needs 500m" not in look(raw, nodes=None).message


@pytest.mark.parametrize(
    ("words", "reason", "says"),
    [
        (f"{IMAGE}: not found", "ImageNotFound", "push the image"),
        ("unexpected status code 404 Not Found: manifest unknown: no such tag", "ImageNotFound", "manifest unknown"),
        (
            "pull access denied, repository does not exist or may require authorization: server message: "
            "insufficient_scope: authorization failed",
            "ImagePullUnauthorized",
            "spec.serving.imagePullSecrets",
        ),
        (
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
            "https://registry.example.com/token?scope=x: 401 Unauthorized",
            "ImagePullUnauthorized",
            "401 Unauthorized",
        ),
        (
            "unexpected status from HEAD request to https://registry.example.com/v2/x: 403 Forbidden",
            "ImagePullUnauthorized",
            "403 Forbidden",
        ),
        (HEAD + "dial tcp: lookup registry.example.com: no such host", "ImageRegistryUnreachable", "no such host"),
        (HEAD + "dial tcp 10.0.0.9:443: connect: connection refused", "ImageRegistryUnreachable", "connection refused"),
        (HEAD + "dial tcp 10.0.0.9:443: i/o timeout", "ImageRegistryUnreachable", "i/o timeout"),
        (
            HEAD + "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "ImageRegistryUnreachable",
            "unknown authority",
        ),
        (
            'failed to authorize: failed to fetch anonymous token: Get "https://registry.example.com/token": dial tcp: '
            "lookup registry.example.com: no such host",
            "ImageRegistryUnreachable",
            "no such host",
        ),
        ("failed to do request: Head: wsarecv: forcibly closed", "ImageRegistryUnreachable", "forcibly closed"),
        (
            "unexpected status from HEAD request to https://r.test/v2/x: 503 Service Unavailable",
            "ImageRegistryUnreachable",
            "503",
        ),
        ("failed to copy: httpReadSeeker: failed open: unexpected EOF", "ImageRegistryUnreachable", "EOF"),
        ("toomanyrequests: You have reached your pull rate limit", "ImageRegistryUnreachable", "rate limit"),
        ("write /var/lib/x: no space left on device", "NodeOutOfSpace", "Free space"),
        ("something that nobody has seen yet", "ImagePullBackOff", "something that nobody has seen yet"),
    ],
)
def test_an_image_that_cannot_be_pulled_is_told_apart_by_name_registry_and_credentials(
    words: str, reason: str, says: str
) -> None:
    """And the kubelet's alternation between trying and backing off changes nothing."""
    tried = look(raw_pod(status=status(waiting("ErrImagePull", f"rpc error: code = NotFound desc = {RESOLVE}{words}"))))
    backing_off = f'Back-off pulling image "{IMAGE}": ErrImagePull: {RESOLVE}{words}'
    assert look(raw_pod(status=status(waiting("ImagePullBackOff", backing_off)))) == tried
    passes = reason in ("ImageRegistryUnreachable", "NodeOutOfSpace")
    assert (tried.kind, tried.reason, tried.remedy, tried.hopeless) == ("ImagePull", reason, "None", not passes)
    assert says in tried.message
    assert IMAGE in tried.message
    assert tried.ripe_at == BORN + timedelta(seconds=30)


def test_an_image_whose_name_reads_like_an_error_is_not_taken_for_one() -> None:
    words = RESOLVE.replace("serving", "unauthorized-x509") + "something else"
    assert look(raw_pod(status=status(waiting("ErrImagePull", words)))).reason == "ImagePullBackOff"


def test_an_older_kubelet_tells_the_cause_in_an_event_once_it_backs_off() -> None:
    tried = look(raw_pod(status=status(waiting("ErrImagePull", f"{RESOLVE}{IMAGE}: not found"))))
    events = (
        event("Failed", f'Failed to pull image "{IMAGE}": {RESOLVE}{IMAGE}: not found'),
        event("Failed", "Error: ImagePullBackOff", count=50),
    )
    bare = raw_pod(status=status(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')))
    assert look(bare, events=events) == tried


def test_an_image_that_others_of_the_version_run_is_tried_on_another_node() -> None:
    raw = raw_pod(status=status(waiting("ErrImagePull", f"{RESOLVE}{IMAGE}: not found")))
    assert look(raw, siblings=(READY_SIBLING,)).remedy == "Evict"
    assert not look(raw, siblings=(READY_SIBLING,)).hopeless
    assert look(raw, siblings=(READY_SIBLING,), nodes={"worker-1": NODES["worker-1"]}).remedy == "None"
    assert look(raw, siblings=(READY_SIBLING,), nodes=None).remedy == "None"
    cordoned = {"worker-1": NODES["worker-1"], "worker-2": NodeView("worker-2", cordoned=True)}
    assert look(raw, siblings=(READY_SIBLING,), nodes=cordoned).remedy == "None"


def test_a_name_that_is_none_is_hopeless_at_once() -> None:
    said = (
        'Failed to apply default image tag "Not/An:Image:": couldn\'t parse image reference: invalid reference format'
    )
    raw = raw_pod(
        status=status(waiting("InvalidImageName", said)),
        spec={"initContainers": [{"name": "fetch", "image": "Not/An:Image:"}]},
    )
    found = look(raw)
    assert (found.kind, found.remedy, found.hopeless) == ("InvalidImageName", "None", True)
    assert found.ripe_at <= NOW
    assert "Not/An:Image:" in found.message
    assert "spec.serving.image" in found.message


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ('secret "store" not found', "its Secret store does not exist"),
        ('configmap "settings" not found', "its ConfigMap settings does not exist"),
        ("couldn't find key token in Secret clinic/store", "its Secret store has no key token"),
        ("couldn't find key mode in ConfigMap clinic/settings", "its ConfigMap settings has no key mode"),
        ("container has runAsNonRoot and image will run as root", "container has runAsNonRoot and image will run"),
    ],
)
def test_a_config_error_names_what_is_missing_and_gives_it_time_to_come(said: str, says: str) -> None:
    found = look(raw_pod(status=status(waiting("CreateContainerConfigError", said))))
    assert (found.kind, found.reason) == ("ConfigError", "CreateContainerConfigError")
    assert (found.remedy, found.hopeless, found.ripe_at) == ("None", True, BORN + timedelta(seconds=30))
    assert f"Container fetch cannot start: {says}" in found.message


def test_a_config_error_of_the_server_begins_when_the_init_step_is_done() -> None:
    server = waiting("CreateContainerConfigError", 'secret "store" not found')
    assert look(raw_pod(status=status(FETCHED, server))).since == BORN + timedelta(seconds=3)


@pytest.mark.parametrize(
    ("events", "reason", "says"),
    [
        ((), "ContainerCreating", "has not said why"),
        (
            (
                event("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[artifact]", count=9),
                event("FailedMount", 'MountVolume.SetUp failed for volume "artifact" : mount failed: exit status 32'),
            ),
            "FailedMount",
            "mount failed: exit status 32",
        ),
        (
            (event("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) x'),),
            "FailedAttachVolume",
            "already used by pod(s) x",
        ),
        (
            (
                event(
                    "FailedCreatePodSandBox",
                    "(combined from similar events): Failed to create pod sandbox: rpc error: code = Unknown desc = "
                    f'failed to setup network for sandbox "{"0f" * 32}": plugin type="bridge" failed (add): no IPs',
                ),
            ),
            "FailedCreatePodSandBox",
            'failed to setup network for: plugin type="bridge" failed (add): no IPs',
        ),
    ],
)
def test_a_pod_that_is_not_created_says_what_the_node_says(events: tuple[object, ...], reason: str, says: str) -> None:
    found = look(raw_pod(), events=events)
    assert (found.kind, found.reason, found.remedy, found.hopeless) == ("Creating", reason, "Evict", False)
    assert says in found.message
    assert "worker-1" in found.message
    assert (found.since, found.ripe_at) == (BORN, BORN + timedelta(minutes=2))


def test_a_pod_whose_node_has_come_back_without_a_network_is_not_taken_for_a_crash_loop() -> None:
    rebooted = ended(255, reason="Unknown")
    again = status(waiting("PodInitializing", last=rebooted), waiting("PodInitializing", last=rebooted, restarts=1))
    assert look(raw_pod(status=again)).kind == "Creating"


def test_the_kubelet_has_not_even_taken_the_pod() -> None:
    assert look(raw_pod(status={"phase": "Pending"})).kind == "Creating"


def test_a_container_that_the_runtime_does_not_create_says_why() -> None:
    refused = waiting("CreateContainerError", "context deadline exceeded")
    found = look(raw_pod(status=status(FETCHED, refused)))
    assert (found.kind, found.reason) == ("Creating", "CreateContainerError")
    assert "context deadline exceeded" in found.message


def test_an_image_that_is_still_being_pulled_is_not_begun_anew() -> None:
    pulling = (event("Pulled", "Container image present", when=2), event("Pulling", f'Pulling image "{IMAGE}"', when=4))
    found = look(raw_pod(), events=pulling)
    assert (found.kind, found.reason, found.remedy) == ("Creating", "PullingImage", "None")
    assert look(raw_pod(), events=(*pulling, event("Pulled", "Successfully pulled", when=9))).remedy == "Evict"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('persistentvolumeclaim "models" not found. not found', 'persistentvolumeclaim "models" not found.'),
        ('persistentvolumeclaim "models" not found', 'persistentvolumeclaim "models" not found.'),
        ("1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes", "1 Insufficient cpu."),
        ("1 Insufficient cpu. preemption: 0/1 nodes are available", "1 Insufficient cpu."),
    ],
)
def test_what_the_scheduler_says_of_preemption_is_left_out(said: str, kept: str) -> None:
    assert scheduler_words(f"0/1 nodes are available: {said}") == f"0/1 nodes are available: {kept}"
