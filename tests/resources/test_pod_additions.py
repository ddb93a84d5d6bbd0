"""What `spec.serving.podTemplate` adds to the pods, what it cannot touch, and that an edit of it is seen."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from tests.resources.pod_security import breaches
from tests.resources.samples import DEFAULTS, GATE, MINIMAL, OWN, OWNER, REVISION, spec
from verdigris.adapters.kube.writing.compare import difference
from verdigris.children import deployment, gate_job, pod_template
from verdigris.children.names import GATE_LABEL, MODEL_LABEL, REVISION_LABEL
from verdigris.core.facts.revision import meaning_of, revision_of

AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["models"]}]}]
        }
    }
}
PROXY: Mapping[str, Any] = {
    "name": "proxy",
    "image": "example.com/proxy:1",
    "args": ["--port=5432"],
    "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "store", "key": "password"}}}],
    "resources": {"requests": {"cpu": "0.01", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
    "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
}
ALL: Mapping[str, Any] = {
    "labels": {"team": "clinic"},
    "annotations": {"example.com/scrape": "no"},
    "affinity": AFFINITY,
    "topologySpreadConstraints": [
        {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "priorityClassName": "models",
    "serviceAccountName": "bucket-reader",
    "fsGroup": 2000,
    "volumes": [
        {"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}},
        {"name": "authorities", "configMap": {"name": "company-ca"}},
        {"name": "keys", "secret": {"secretName": "store"}},
        {"name": "features", "persistentVolumeClaim": {"claimName": "features", "readOnly": True}},
    ],
    "volumeMounts": [
        {"name": "authorities", "mountPath": "/etc/ssl/company", "readOnly": True},
        {"name": "features", "mountPath": "/features", "subPath": "v1", "readOnly": True},
    ],
    "sidecars": [PROXY],
}


def with_additions(added: Mapping[str, Any], **serving: Any) -> Any:
    return spec({**MINIMAL, "serving": {"podTemplate": copy.deepcopy(dict(added)), **serving}})


def template(added: Mapping[str, Any], **serving: Any) -> Any:
    return pod_template.build(OWNER, with_additions(added, **serving), REVISION, DEFAULTS)


def test_without_additions_pods_are_what_they_were() -> None:
    assert template({}) == pod_template.build(OWNER, spec(MINIMAL), REVISION, DEFAULTS)


def test_labels_and_annotations_stand_beside_ours() -> None:
    meta = template(ALL)["metadata"]
    assert (meta["labels"]["team"], meta["annotations"]["example.com/scrape"]) == ("clinic", "no")
    assert (meta["labels"][MODEL_LABEL], meta["labels"][REVISION_LABEL]) == (OWNER.name, REVISION)


def test_the_pods_are_placed_as_asked() -> None:
    pod = template(ALL)["spec"]
    assert pod["affinity"] == AFFINITY
    assert pod["priorityClassName"] == "models"
    spread = {
        (one["topologyKey"], one["maxSkew"], one["whenUnsatisfiable"]) for one in pod["topologySpreadConstraints"]
    }
    assert spread == {
        ("kubernetes.io/hostname", 1, "ScheduleAnyway"),
        ("topology.kubernetes.io/zone", 2, "DoNotSchedule"),
    }
    assert {str(one["labelSelector"]) for one in pod["topologySpreadConstraints"]} == {
        str({"matchLabels": {MODEL_LABEL: OWNER.name}})
    }


def test_a_constraint_for_nodes_takes_the_place_of_ours() -> None:
    mine = {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    (constraint,) = template({"topologySpreadConstraints": [mine]})["spec"]["topologySpreadConstraints"]
    assert constraint["whenUnsatisfiable"] == "DoNotSchedule"


def test_an_account_of_the_users_still_gets_no_token() -> None:
    pod = template(ALL)["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("bucket-reader", False)


def test_a_variable_comes_from_a_secret_or_a_config_map() -> None:
    env = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "store", "key": "token"}}},
        {"name": "REGION", "value": "", "valueFrom": {"configMapKeyRef": {"name": "site", "key": "region"}}},
    ]
    pod = template({}, env=env)["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["env"][-2:] == [
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "store", "key": "token"}}},
            {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "site", "key": "region"}}},
        ]


def test_volumes_are_seen_in_the_fetch_step_and_in_the_server() -> None:
    pod = template(ALL)["spec"]
    assert pod["volumes"][-4:] == [
        {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "authorities", "configMap": {"name": "company-ca"}},
        {"name": "keys", "secret": {"secretName": "store"}},
        {"name": "features", "persistentVolumeClaim": {"claimName": "features", "readOnly": True}},
    ]
    for container in (pod["initContainers"][-1], pod["containers"][0]):
        assert container["volumeMounts"][-2:] == [
            {"name": "authorities", "mountPath": "/etc/ssl/company", "readOnly": True},
            {"name": "features", "mountPath": "/features", "subPath": "v1", "readOnly": True},
        ]
    assert (pod["securityContext"]["fsGroup"], pod["securityContext"]["fsGroupChangePolicy"]) == (
        2000,
        "OnRootMismatch",
    )


def test_a_sidecar_is_up_before_the_artifact_is_fetched_and_stays() -> None:
    pod = template(ALL)["spec"]
    proxy, fetch = pod["initContainers"]
    assert (proxy["name"], proxy["restartPolicy"], fetch["name"]) == ("proxy", "Always", "fetch")
    assert [container["name"] for container in pod["containers"]] == ["server"]
    assert proxy["resources"] == {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}}


@pytest.mark.parametrize(("asked", "has_sidecars"), [(GATE, True), (OWN, False)], ids=["ours", "the user's own"])
def test_a_gate_fetches_through_the_sidecars_and_has_what_injectors_go_by(asked: Any, has_sidecars: bool) -> None:
    made = template(ALL)
    pod = gate_job.build(OWNER, "gate", asked, made, REVISION)["spec"]["template"]
    sidecars = [one for one in made["spec"]["initContainers"] if one["name"] == PROXY["name"]]
    assert sidecars
    assert pod["spec"].get("initContainers", []) == (sidecars if has_sidecars else [])
    mounted = {mount["name"] for one in sidecars for mount in one.get("volumeMounts", ())}
    assert not has_sidecars or mounted <= {volume["name"] for volume in pod["spec"]["volumes"]}
    assert pod["metadata"] == {"labels": {GATE_LABEL: OWNER.name}, "annotations": dict(ALL["annotations"])}


def test_what_a_sidecar_is_told_opens_no_port() -> None:
    told = {**PROXY, "env": [{"name": "AWS_ENDPOINT_URL", "value": "http://elsewhere:9000"}]}
    assert pod_template.stores(pod_template.environment(template({**ALL, "sidecars": [told]}))) == set()


@pytest.mark.parametrize("any_user", [False, True])
def test_pods_with_every_addition_meet_the_restricted_level(any_user: bool) -> None:
    defaults = replace(DEFAULTS, any_user=any_user)
    assert breaches(pod_template.build(OWNER, with_additions(ALL), REVISION, defaults)["spec"]) == []


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every scalar."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(inner, dict | list):
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key)


def test_whatever_somebody_changes_of_it_is_a_difference() -> None:
    """Each field of the pods, changed on the live Deployment: it is seen, and so put back."""
    wanted = deployment.build(OWNER, "blue", template(ALL), REVISION)
    assert difference(wanted, copy.deepcopy(wanted)) is None
    for path in leaves(wanted["spec"]["template"]):
        live = copy.deepcopy(wanted)
        place: Any = live["spec"]["template"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = not place[path[-1]] if isinstance(place[path[-1]], bool) else "changed"
        assert difference(wanted, live) is not None, path


def test_what_the_api_server_fills_in_is_none() -> None:
    wanted = deployment.build(OWNER, "blue", template(ALL), REVISION)
    live = copy.deepcopy(wanted)
    pod = live["spec"]["template"]["spec"]
    pod["initContainers"][0] |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
    for volume in pod["volumes"]:
        for kind in ("secret", "configMap"):
            if kind in volume:
                volume[kind]["defaultMode"] = 420
    assert difference(wanted, live) is None


@pytest.mark.parametrize("field", ALL)
def test_each_kind_of_addition_is_a_new_revision(field: str) -> None:
    needed = {"volumes": ALL["volumes"]} if field in ("volumeMounts", "sidecars") else {}
    plain, added = with_additions(needed), with_additions({**needed, field: ALL[field]})
    assert revision_of(plain) != revision_of(added)
    assert meaning_of(plain, OWNER.name) != meaning_of(added, OWNER.name)


def test_specs_without_additions_keep_the_revision_that_they_had() -> None:
    empty: dict[str, Any] = {"labels": {}, "volumes": [], "sidecars": []}
    defaults = {"startupDeadline": "120s", "modelSizeLimit": "1024Mi"}
    assert revision_of(with_additions(empty)) == revision_of(spec(MINIMAL))
    assert meaning_of(with_additions(empty, **defaults), OWNER.name) == meaning_of(spec(MINIMAL), OWNER.name)


def test_the_order_of_volumes_and_the_spelling_of_amounts_mean_nothing() -> None:
    turned = {**ALL, "volumes": ALL["volumes"][::-1], "volumeMounts": ALL["volumeMounts"][::-1]}
    slim = {**PROXY, "resources": {"requests": {"cpu": "10m", "memory": "16384Ki"}, "limits": {"memory": "32Mi"}}}
    assert meaning_of(with_additions(ALL), OWNER.name) == meaning_of(
        with_additions({**turned, "sidecars": [slim]}), OWNER.name
    )


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ({"labels": {"verdigris.dev/color": "green"}}, "set by the operator"),
        ({"labels": {"app.kubernetes.io/name": "x"}}, "set by the operator"),
        ({"annotations": {"verdigris.dev/traffic": "off"}}, "set by the operator"),
        ({"annotations": {"container.apparmor.security.beta.kubernetes.io/server": "unconfined"}}, "confinement"),
        ({"volumes": [{"name": "model", "configMap": {"name": "x"}}]}, "belong to volumes of the operator"),
        ({"volumes": [{"name": "a", "configMap": {"name": "x"}, "secret": {"secretName": "x"}}]}, "one kind"),
        ({"volumes": [{"name": "a"}]}, "one kind"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "Extra inputs are not permitted"),
        ({"volumeMounts": [{"name": "a", "mountPath": "/data"}]}, "add the volume there"),
        *(
            (
                {
                    "volumes": [{"name": "a", "configMap": {"name": "x"}}],
                    "volumeMounts": [{"name": "a", "mountPath": path}],
                },
                words,
            )
            for path, words in [
                ("/model", "choose a mountPath elsewhere"),
                ("/opt/app/verdigris_serving", "choose a mountPath elsewhere"),
                ("/opt", "choose a mountPath elsewhere"),
                ("/etc/verdigris/x", "choose a mountPath elsewhere"),
                ("/data/../model", "without .."),
                ("/", "without //"),
                ("data", "path of a folder"),
            ]
        ),
        ({"sidecars": [{**PROXY, "name": "server", "volumeMounts": []}]}, "choose another name"),
        ({"sidecars": [PROXY]}, "add the volume there"),
        ({"sidecars": [{"name": "a", "image": "a"}]}, "Field required"),
        ({"sidecars": [{**PROXY, "securityContext": {"privileged": True}}]}, "Extra inputs are not permitted"),
        ({"containers": []}, "Extra inputs are not permitted"),
        ({"securityContext": {"runAsUser": 0}}, "Extra inputs are not permitted"),
        ({"fsGroup": 0}, "greater than or equal to 1"),
    ],
)
def test_what_would_replace_something_of_ours_is_refused_with_a_sentence(added: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        with_additions(added)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ({"name": "VERDIGRIS_PORT", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}, "another name"),
        ({"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}, "not both"),
        ({"name": "A", "valueFrom": {}}, "give one source"),
    ],
)
def test_a_variable_that_is_not_clear_is_refused(variable: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        with_additions({}, env=[variable])


def test_namespaces_that_give_a_user_get_pods_that_name_none() -> None:
    pod = pod_template.build(OWNER, spec(MINIMAL), REVISION, replace(DEFAULTS, any_user=True))["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_pull_secrets_of_the_operator_are_for_specs_that_name_none() -> None:
    defaults = replace(DEFAULTS, pull_secrets=("registry",))
    own = spec({**MINIMAL, "serving": {"imagePullSecrets": [{"name": "mine"}]}})
    built = [pod_template.build(OWNER, one, REVISION, defaults)["spec"] for one in (spec(MINIMAL), own)]
    assert [pod["imagePullSecrets"] for pod in built] == [[{"name": "registry"}], [{"name": "mine"}]]


def test_a_large_model_gets_the_time_and_the_room_that_it_asks_for() -> None:
    pod = template({}, startupDeadline="1h", modelSizeLimit="20Gi")["spec"]
    probe = pod["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 3600
    assert {"name": "model", "emptyDir": {"sizeLimit": "20Gi"}} in pod["volumes"]
