"""Hints on pods: what they are stuck in, and where they find room."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.cli.advice.hint import PODS, ROOM, STATE, STUCK, Hint, ok

_DESCRIBE = "kubectl describe pod {pod}{n}"
_LOG = "Read what it said last: kubectl verdigris logs {name}{n} --previous."
_APPLY = "then apply it: that is a new revision, and is tried at once."
_ARTIFACT = "Correct spec.model.uri and spec.model.sha256 (verdigris-model verify FILE prints it), " + _APPLY
_IMAGE = "Correct spec.serving.image, " + _APPLY
_CHART = " Where it names none, the image is the chart's: serving.image, serving.images."
_NODE = "Look at the node: kubectl get nodes, kubectl describe pod {pod}{n}."
_ROOM = (
    "Free room or add some: kubectl describe resourcequota{n}, kubectl top nodes. Or ask for less "
    "(kubectl verdigris recommend {name}{n}), or set spec.rollout.onInsufficientCapacity: InPlace."
)
_REFERS = "Create what it refers to, or correct the name in the spec: " + _DESCRIBE + " has the name."

PODS_: Mapping[str, Hint] = {
    "ArtifactInvalid": Hint(STUCK, "Pack it again: verdigris-model pack. " + _ARTIFACT),
    "ArtifactNotFound": Hint(STUCK, _ARTIFACT),
    "ArtifactTooLarge": Hint(STUCK, "Raise spec.serving.modelSizeLimit or the memory limit, " + _APPLY),
    "ArtifactTruncated": Hint(STUCK, "Upload the artifact again as a whole. " + _ARTIFACT),
    "ArtifactUnreachable": Hint(STUCK, "Check the address and the credentials: spec.model.uri, credentialsSecret."),
    "CandidateCrashing": Hint(PODS, _LOG + " Mend the version, " + _APPLY),
    "CandidateReady": ok(),
    "CandidateShortOfPods": Hint(PODS, "See which pods are missing and why: kubectl verdigris get {name}{n}."),
    "CandidateUnavailable": Hint(PODS, _LOG + " It begins again once its pods are ready."),
    "ChecksumMismatch": Hint(STUCK, "Find out which of the two is right. " + _ARTIFACT),
    "Completed": Hint(STUCK, "Its command has ended although it is to serve. " + _IMAGE),
    "ConfigError": Hint(STUCK, _REFERS),
    "ContainerCreating": Hint(STUCK, _DESCRIBE + " names the volume or the network that it waits for."),
    "ContainerExited": Hint(STUCK, _LOG),
    "CrashLoop": Hint(STUCK, _LOG),
    "CrashLoopBackOff": Hint(STUCK, _LOG),
    "CreateContainerConfigError": Hint(STUCK, _REFERS),
    "CreateContainerError": Hint(STUCK, _DESCRIBE + " has the runtime's words."),
    "CreatePodSandboxError": Hint(STUCK, "The node's network or runtime is in trouble. " + _NODE),
    "Creating": Hint(STUCK, _DESCRIBE + " names the volume or the network that it waits for."),
    "DeploymentPaused": Hint(PODS, "Resume it: kubectl rollout resume deployment {name}-{color}{n}."),
    "Failed": Hint(STUCK, "The operator deletes what is left of it. " + _DESCRIBE + " says how it ended."),
    "FailedAttachVolume": Hint(STUCK, "Look at the claim: kubectl describe pvc{n}."),
    "FailedCreate": Hint(PODS, "The API server refuses the pods: correct what the message names, or have it changed."),
    "FailedCreatePodSandBox": Hint(STUCK, "The node's network or runtime is in trouble. " + _NODE),
    "FailedMount": Hint(STUCK, "Create what the volume refers to: " + _DESCRIBE + "."),
    "FinalizersPending": Hint(STUCK, "Ask the owner of the finalizer: kubectl get pod {pod}{n} -o yaml."),
    "Flapping": Hint(STUCK, "Its readiness probe fails by turns. " + _DESCRIBE + " has the probe's words."),
    "ForeignAutoscaler": Hint(PODS, "Delete it or raise its minimum: kubectl get hpa,scaledobject{n}."),
    "GoldenRowsFailed": Hint(STUCK, "The artifact does not give the answers it was packed with. " + _ARTIFACT),
    "ImageNotFound": Hint(STUCK, "Push the image, or: " + _IMAGE + _CHART),
    "ImagePull": Hint(STUCK, _IMAGE),
    "ImagePullBackOff": Hint(STUCK, _IMAGE),
    "ImagePullUnauthorized": Hint(STUCK, "Name a Secret in spec.serving.imagePullSecrets, or: " + _IMAGE),
    "ImageRegistryUnreachable": Hint(
        STUCK, "Have the nodes reach and trust the registry; it is asked again. Or: " + _IMAGE + _CHART
    ),
    "InitFailing": Hint(STUCK, "Read the fetch step's log: kubectl verdigris logs {name}{n} -c fetch --previous."),
    "Initializing": Hint(STUCK, "It fetches the artifact: kubectl verdigris logs {name}{n} -c fetch."),
    "InjectedContainerFailing": Hint(STUCK, "Not the model's own: ask who injects it. " + _DESCRIBE + "."),
    "InsufficientCapacity": Hint(ROOM, _ROOM),
    "InvalidImageName": Hint(STUCK, _IMAGE),
    "KubeletStillEnding": Hint(STUCK, _NODE),
    "Leftover": Hint(STUCK, "The operator deletes what is left of it."),
    "LimitExceeded": Hint(
        ROOM, "Keep to the LimitRange: kubectl describe limitrange{n}. Correct spec.serving.resources."
    ),
    "ModelMismatch": Hint(
        STUCK, "The artifact is of another model, version or format: correct spec.model. " + _ARTIFACT
    ),
    "NetworkNotReady": Hint(STUCK, _NODE),
    "NeverReady": Hint(STUCK, "It runs and is not ready. " + _LOG + " " + _DESCRIBE + " has the probe's words."),
    "NodeGone": Hint(STUCK, "Nothing, if the node is gone for good: the pod is removed. " + _NODE),
    "NodeLost": Hint(STUCK, _NODE),
    "NodeNotReady": Hint(STUCK, _NODE),
    "NodeOutOfSpace": Hint(STUCK, "Free space on the node, or cordon it. " + _NODE),
    "OOMKilled": Hint(STUCK, "Raise spec.serving.resources.limits.memory, " + _APPLY),
    "Orphan": Hint(STUCK, "When nobody needs it: kubectl delete pod {pod}{n}."),
    "OtherRevisionAnswers": Hint(PODS, "Delete the pod that the message names, if somebody made it by hand."),
    "OutOfMemory": Hint(STUCK, "Raise spec.serving.resources.limits.memory, " + _APPLY),
    "ProgressDeadlineExceeded": Hint(
        PODS, "See which pods are not ready: kubectl verdigris get {name}{n}. Or raise spec.rollout.progressDeadline."
    ),
    "PullingImage": Hint(STUCK, "It is being pulled. A smaller image, or one that the nodes have, is faster."),
    "QuotaExceeded": Hint(ROOM, _ROOM),
    "ResourcesNotSet": Hint(ROOM, "The quota wants them stated: set spec.serving.resources, " + _APPLY),
    "Terminating": Hint(STUCK, _NODE),
    "Unschedulable": Hint(STUCK, _ROOM),
    "VolumeInUse": Hint(PODS, "Give the model a claim that many pods may read, or use strategy: Recreate."),
    "NoPodIsStuck": ok(),
    "StorageExceeded": Hint(PODS, "Raise spec.serving.modelSizeLimit. " + _LOG),
    "ProbeFailed": Hint(PODS, _LOG),
    "NodeDown": Hint(STATE, "Not held against the version. " + _NODE, "the node is ready"),
    "SandboxChanged": Hint(STATE, "Not held against the version. " + _NODE, "the sandbox stays"),
}
