"""Pods whose image cannot be had: the name is none, or the image is not there, is not given out, is out of reach."""

from __future__ import annotations

import re
from typing import NamedTuple

from verdigris.core.facts.observed import ContainerView, PodView
from verdigris.core.pods.diagnosis.check import Around, Check, Diagnosis
from verdigris.core.pods.diagnosis.questions import (
    another_node,
    began,
    give_up_after,
    others_are_ready,
    starting,
    waiting,
)
from verdigris.core.pods.diagnosis.words import QUOTED, clip, said, tidy
from verdigris.core.words import sentence

PULLING = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable")


class _Cause(NamedTuple):
    reason: str
    words: re.Pattern[str]
    what: str
    advice: str
    final: bool = False
    """Whether the registry has answered, and waiting changes nothing: what is out of reach may be back soon."""


_CAUSES = (
    _Cause(
        "NodeOutOfSpace",
        re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE),
        "The pod's node has no space left for image {image}",
        "Free space on that node, or cordon it.",
    ),
    # Before the others, as a registry that is out of reach is also called one that could not be asked for a token.
    _Cause(
        "ImageRegistryUnreachable",
        re.compile(
            r"no such host|connection refused|connection reset|i/o timeout|time-?out|deadline exceeded|x509|tls:|"
            r"no route to host|network is unreachable|server misbehaving|server gave HTTP response|too ?many ?requests|"
            r"failed to do request|dial tcp|temporary failure|try again|rate limit|stream error|http2:|broken pipe|"
            r"context canceled|\b5\d\d [A-Z]|\b429 [A-Z]|registry is unavailable|\bEOF\b",
            re.IGNORECASE,
        ),
        "The registry of image {image} is out of reach",
        "Check the registry's name in spec.serving.image, and that the nodes reach and trust it.",
    ),
    _Cause(
        "ImagePullUnauthorized",
        re.compile(
            r"unauthorized|401 |403 |forbidden|access denied|authentication required|no basic auth|"
            r"insufficient_scope|authorization failed|may require authorization",
            re.IGNORECASE,
        ),
        "The registry does not give out image {image}",
        "Correct the name in spec.serving.image, or name a Secret with the registry's credentials in "
        "spec.serving.imagePullSecrets.",
        final=True,
    ),
    _Cause(
        "ImageNotFound",
        re.compile(r"not found|manifest unknown|name unknown|does not exist|not present with pull policy|no match for"),
        "There is no image {image}",
        "Correct spec.serving.image, or push the image.",
        final=True,
    ),
)
_UNKNOWN = _Cause(
    "ImagePullBackOff",
    re.compile(""),
    "The image {image} cannot be pulled",
    "Correct spec.serving.image, or look at the pod's Events.",
    final=True,
)
_WRAPPINGS = re.compile(
    r'^.*(?:failed to resolve reference "[^"]*": |failed to pull and unpack image "[^"]*": |'
    r'(?:Back-off pulling|Failed to pull) image "[^"]*": (?:ErrImagePull: )?)'
)


def invalid_image_name(pod: PodView, around: Around) -> Diagnosis | None:  # noqa: ARG001
    """The kubelet cannot read the image's name: no attempt will ever do."""
    container = waiting(pod, "InvalidImageName") if starting(pod) else None
    if container is None:
        return None
    message = (
        f"'{container.image}' is no name of an image: {sentence(clip(tidy(container.said), QUOTED))} "
        "Correct spec.serving.image."
    )
    since = began(pod)
    return Diagnosis("InvalidImageName", "InvalidImageName", clip(message), "None", since, since, hopeless=True)


def image_pull(pod: PodView, around: Around) -> Diagnosis | None:
    """The image cannot be pulled. The kubelet alternates two reasons for it; what it says lies in either."""
    container = waiting(pod, *PULLING) if starting(pod) else None
    if container is None:
        return None
    words = _cause_of(container, around)
    cause = _classify(words)
    told = f": {words}" if words else ""
    message = f"{sentence(cause.what.format(image=container.image or 'of the pod') + told)} {cause.advice}"
    elsewhere = others_are_ready(pod, around)
    since = began(pod)
    return Diagnosis(
        "ImagePull",
        cause.reason,
        clip(message),
        "Evict" if elsewhere and another_node(pod, around) else "None",
        since,
        since + give_up_after(around),
        hopeless=cause.final and not elsewhere,
    )


def _cause_of(container: ContainerView, around: Around) -> str:
    """The innermost words. Older kubelets tell them in an Event only, once they back off."""
    told = _unwrapped(container.said)
    bare = not told or told.startswith("Back-off pulling image")
    return _unwrapped(said(around.events, "Failed", "Failed to pull image")) if bare else told


def _unwrapped(words: str) -> str:
    return clip(_WRAPPINGS.sub("", tidy(words)), QUOTED)


def _classify(words: str) -> _Cause:
    # What stands in quotes is a name, and a name may read like an error.
    plain = re.sub(r'"[^"]*"', "", words)
    return next((cause for cause in _CAUSES if cause.words.search(plain)), _UNKNOWN)


CHECKS = (
    Check(
        "InvalidImageName",
        "A container waits with InvalidImageName.",
        "Ends a candidate's rollout at once. An active pod is only reported.",
        "Correct `spec.serving.image`.",
        invalid_image_name,
    ),
    Check(
        "ImagePull",
        "A container waits with ErrImagePull, ImagePullBackOff or the like. By the runtime's words: ImageNotFound (no "
        "such image or tag), ImagePullUnauthorized (credentials, or no such repository), ImageRegistryUnreachable "
        "(name, network, certificate), NodeOutOfSpace.",
        "Ends a candidate's rollout after `giveUpAfter`; a registry out of reach, or a node without space, is waited "
        "for until `progressDeadline`. Where other pods of the version are ready, and another node takes pods: "
        "evicted.",
        "Correct `spec.serving.image`, push the image, give `spec.serving.imagePullSecrets`, or make the nodes reach "
        "the registry.",
        image_pull,
    ),
)
