"""Somebody edits a child: every field that we state, and every field whose presence changes what we promise."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.resources.samples import FULL, children, spec
from tests.runtime.actions import Json, do
from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, UID
from verdigris.adapters.kube.writing.compare import merge_keys
from verdigris.adapters.kube.writing.fields import strays
from verdigris.adapters.kube.writing.patches import restoring
from verdigris.adapters.kube.writing.unnamed import unnamed_elements
from verdigris.children.names import Owner
from verdigris.core.actions import Keep

Place = tuple[str | int, ...]

CHILDREN = children(Owner(KEY.namespace, KEY.name, UID), spec(FULL))
# The API server lets nobody change a snapshot's data, nor a Job's pod.
FIXED = ("controller_revision", "gate_job")
EDITABLE = [name for name in CHILDREN if name not in FIXED and not name.endswith("_green")]
IMMUTABLE: Mapping[str, tuple[Place, ...]] = {"Deployment": (("spec", "selector"),)}


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Every field and every element of a list, outer ones first."""
    if here:
        yield here
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*here, key))


def stated(manifest: Json) -> list[Place]:
    """Every place of a manifest that somebody can edit."""
    parts = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata")}
    parts["metadata"] = {
        key: manifest["metadata"][key] for key in ("labels", "annotations") if key in manifest["metadata"]
    }
    fixed = IMMUTABLE.get(manifest["kind"], ())
    # To add a label or annotation of one's own is everybody's right.
    whole = {("spec",), ("metadata",), ("metadata", "labels"), ("metadata", "annotations")}
    found = [place for place in places(parts) if place not in whole]
    return [place for place in found if not any(place[: len(start)] == start for start in fixed)]


def at(raw: Any, place: Place) -> Any:
    for step in place:
        raw = raw[step]
    return raw


def other(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case dict():
            return {**value, "added": "theirs"}
        case list():
            return [*value, {"added": "theirs", "name": "theirs", "port": 9}]
    raise TypeError(value)


async def kept(manifest: Json) -> FakeApi:
    api = FakeApi()
    await do(api, Keep(manifest))
    return api


def content(raw: Json) -> Json:
    """What counts of an object."""
    meta = {key: raw["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
    return {**{key: value for key, value in raw.items() if key not in ("metadata", "status")}, "metadata": meta}


def live(api: FakeApi) -> Json:
    return next(raw for (kind, _, _), raw in api.objects.items() if kind != "Event")


async def is_put_back(api: FakeApi, manifest: Json, edited: Json) -> bool:
    """Whether one more look makes it what it was before somebody made it `edited`, and the next finds it so."""
    before = content(live(api))
    ref = (manifest["kind"], KEY.namespace, manifest["metadata"]["name"])
    api.objects[ref] = edited
    outcome = await do(api, Keep(manifest))
    assert outcome.problems == []
    again = await do(api, Keep(manifest))
    return normal(content(live(api))) == normal(before) and again.written == 0


def normal(value: Any) -> Any:
    """Lists that are merged by key in any order."""
    if isinstance(value, Mapping):
        return {key: normal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((normal(element) for element in value), key=lambda element: json.dumps(element, sort_keys=True))
    return value


@pytest.mark.parametrize("name", EDITABLE)
async def test_every_field_that_is_changed_is_put_back(name: str) -> None:
    manifest = CHILDREN[name]
    api = await kept(manifest)
    for place in stated(manifest):
        edited = copy.deepcopy(live(api))
        at(edited, place[:-1])[place[-1]] = other(at(edited, place))
        assert await is_put_back(api, manifest, edited), place


@pytest.mark.parametrize("name", EDITABLE)
async def test_every_field_that_is_removed_is_put_back(name: str) -> None:
    manifest = CHILDREN[name]
    api = await kept(manifest)
    for place in stated(manifest):
        if at(manifest, place) in ({}, [], "", False, 0):
            # The API server keeps no difference between these and nothing.
            continue
        edited = copy.deepcopy(live(api))
        del at(edited, place[:-1])[place[-1]]
        assert await is_put_back(api, manifest, edited), place


ADDITIONS: list[tuple[str, Place, Any]] = [
    ("service_clients", ("spec", "publishNotReadyAddresses"), True),
    ("service_clients", ("spec", "externalIPs"), ["203.0.113.7"]),
    ("service_clients", ("spec", "sessionAffinityConfig"), {"clientIP": {"timeoutSeconds": 60}}),
    ("service_clients", ("spec", "trafficDistribution"), "PreferClose"),
    ("service_clients", ("metadata", "labels", "verdigris.dev/color"), "blue"),
    ("service_blue", ("spec", "externalName"), "elsewhere.example.com"),
    ("deployment_blue", ("spec", "paused"), True),
    ("deployment_blue", ("spec", "minReadySeconds"), 30),
    ("deployment_blue", ("spec", "template", "spec", "affinity"), {"podAntiAffinity": {"x": [1]}}),
    ("deployment_blue", ("spec", "template", "spec", "hostNetwork"), True),
    ("deployment_blue", ("spec", "template", "spec", "dnsPolicy"), "Default"),
    ("deployment_blue", ("spec", "template", "spec", "priorityClassName"), "low"),
    ("deployment_blue", ("spec", "template", "spec", "shareProcessNamespace"), True),
    ("deployment_blue", ("spec", "template", "metadata", "annotations", "x"), "y"),
    ("deployment_blue", ("spec", "template", "metadata", "labels", "x"), "y"),
    ("deployment_blue", ("spec", "template", "spec", "containers", 0, "envFrom"), [{"secretRef": {"name": "x"}}]),
    ("deployment_blue", ("spec", "template", "spec", "containers", 0, "args"), ["--odd"]),
    ("deployment_blue", ("spec", "template", "spec", "containers", 0, "securityContext", "privileged"), True),
    ("deployment_blue", ("spec", "template", "spec", "containers", 0, "livenessProbe", "initialDelaySeconds"), 9),
    ("hpa_blue", ("spec", "behavior", "scaleUp"), {"selectPolicy": "Disabled"}),
    ("network_policy", ("spec", "podSelector", "matchExpressions"), [{"key": "x", "operator": "Exists"}]),
    ("pdb_blue", ("spec", "minAvailable"), 9),
    ("service_monitor", ("spec", "sampleLimit"), 1),
    ("service_monitor", ("spec", "jobLabel"), "x"),
    ("prometheus_rule", ("spec", "groups", 0, "interval"), "1h"),
]


@pytest.mark.parametrize(("name", "place", "value"), ADDITIONS, ids=[".".join(map(str, p)) for _, p, _ in ADDITIONS])
async def test_a_field_whose_presence_changes_what_we_promise_is_taken_away(
    name: str, place: Place, value: Any
) -> None:
    api = await kept(CHILDREN[name])
    edited = copy.deepcopy(live(api))
    at(edited, place[:-1])[place[-1]] = value
    assert await is_put_back(api, CHILDREN[name], edited)


@pytest.mark.parametrize("where", ["containers", "initContainers", "volumes", "env"])
async def test_an_element_that_somebody_adds_to_a_list_of_the_pods_is_taken_away(where: str) -> None:
    manifest = CHILDREN["deployment_blue"]
    api = await kept(manifest)
    edited = copy.deepcopy(live(api))
    pod = edited["spec"]["template"]["spec"]
    (pod["containers"][0]["env"] if where == "env" else pod[where]).append({"name": "theirs", "value": "1"})
    assert await is_put_back(api, manifest, edited)


async def test_the_next_version_of_a_colour_inherits_nothing_that_somebody_has_set() -> None:
    before = CHILDREN["deployment_blue"]
    api = await kept(before)
    edited = live(api)["spec"]["template"]["spec"]
    edited["containers"][0]["env"].append({"name": "DEBUG", "value": "1"})
    edited["hostNetwork"] = True
    after = copy.deepcopy(before)
    after["spec"]["template"]["metadata"]["labels"]["verdigris.dev/revision"] = "v1-9"
    after["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "another"
    await do(api, Keep(after))
    template = live(api)["spec"]["template"]
    assert normal(template) == normal(after["spec"]["template"])


async def test_what_we_no_longer_want_goes_also_when_it_had_been_put_back_once() -> None:
    manifest = CHILDREN["service_clients"]
    api = await kept(manifest)
    live(api)["spec"]["ports"][0]["port"] = 81
    await do(api, Keep(manifest))
    moved = copy.deepcopy(manifest)
    moved["spec"]["ports"][0]["port"] = 9000
    outcome = await do(api, Keep(moved))
    assert outcome.problems == []
    assert [port["port"] for port in live(api)["spec"]["ports"]] == [9000]


ALLOWED: list[tuple[str, Place, Any]] = [
    ("deployment_blue", ("spec", "replicas"), 7),
    ("deployment_blue", ("metadata", "labels", "team"), "x"),
    ("deployment_blue", ("metadata", "annotations", "deployment.kubernetes.io/revision"), "7"),
    ("service_clients", ("metadata", "annotations", "example.com/load-balancer"), "x"),
    ("service_clients", ("metadata", "finalizers"), ["service.kubernetes.io/load-balancer-cleanup"]),
    ("service_clients", ("spec", "externalTrafficPolicy"), "Local"),
    ("service_clients", ("spec", "healthCheckNodePort"), 30001),
    ("service_clients", ("spec", "ports", 0, "nodePort"), 30000),
    ("service_account", ("imagePullSecrets",), [{"name": "x"}]),
    ("service_account", ("secrets",), [{"name": "x"}]),
    ("hpa_blue", ("status",), {"currentReplicas": 3}),
]


@pytest.mark.parametrize(("name", "place", "value"), ALLOWED, ids=[".".join(map(str, p)) for _, p, _ in ALLOWED])
async def test_what_others_may_set_stays(name: str, place: Place, value: Any) -> None:
    api = await kept(CHILDREN[name])
    at(live(api), place[:-1])[place[-1]] = value
    api.calls.clear()
    await do(api, Keep(CHILDREN[name]))
    assert api.writes == []
    assert at(live(api), place) == value


async def test_a_restart_that_a_person_asked_for_is_not_undone_by_a_second_one() -> None:
    api = await kept(CHILDREN["deployment_blue"])
    live(api)["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "now"
    api.calls.clear()
    await do(api, Keep(CHILDREN["deployment_blue"]))
    assert api.writes == []


def keyed_lists(value: Any, here: Place = ()) -> Iterator[Place]:
    """Every list of a manifest that the API server merges by key."""
    for place in places(value, here):
        names = tuple(f"[{step}]" if isinstance(step, int) else step for step in place)
        if isinstance(at(value, place), list) and merge_keys(names) is not None:
            yield place


UNNAMED = [
    (name, place)
    for name in EDITABLE
    for place in keyed_lists({key: value for key, value in CHILDREN[name].items() if key != "metadata"})
]


def keys_at(place: Place) -> tuple[str, ...]:
    keys = merge_keys(tuple(f"[{step}]" if isinstance(step, int) else step for step in place))
    assert keys is not None
    return keys


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "unrecorded"])
@pytest.mark.parametrize(("name", "place"), UNNAMED, ids=lambda value: ".".join(map(str, value)))
async def test_an_element_that_no_key_names_or_that_is_there_twice_is_taken_away(
    name: str, place: Place, recorded: bool
) -> None:
    """The API server's record has nothing to call it by, or calls it by the name of ours."""
    manifest = CHILDREN[name]
    ours = at(manifest, place)[0]
    nameless = {key: value for key, value in ours.items() if key not in keys_at(place)}
    for added in ({**nameless, "note": "theirs"}, {}, {**ours, "note": "theirs"}, dict(ours)):
        for where in (0, len(at(manifest, place))):
            api = await kept(manifest)
            edited = copy.deepcopy(live(api))
            at(edited, place).insert(where, added)
            if not recorded:
                ref = (manifest["kind"], KEY.namespace, manifest["metadata"]["name"])
                api._known[ref] = copy.deepcopy(edited)
            assert await is_put_back(api, manifest, edited), (added, where)


def test_what_others_may_add_beside_ours_and_what_the_api_server_fills_in_is_no_stranger() -> None:
    wanted = {"spec": {"containers": [{"name": "server", "ports": [{"containerPort": 80}], "env": []}]}}
    filled = {"name": "server", "ports": [{"containerPort": 80, "protocol": "TCP"}], "env": [{"name": "A"}]}
    seen = {"spec": {"containers": [filled, {"name": "proxy", "env": [{"name": "A"}, {"name": "A", "value": "2"}]}]}}
    assert not list(unnamed_elements(wanted, seen))
    account = {"kind": "ServiceAccount", "imagePullSecrets": [{}]}
    assert not strays({"kind": "ServiceAccount"}, account)


def test_a_nameless_element_of_a_list_that_we_do_not_state_is_a_stranger_too() -> None:
    wanted, seen = {"spec": {"containers": []}}, {"spec": {"containers": [], "imagePullSecrets": [{}, {"name": "ok"}]}}
    (stray,) = strays(wanted, seen)
    assert str(stray) == "spec.imagePullSecrets[{}]"
    assert restoring(wanted, seen) == {"spec": {"imagePullSecrets": [{"name": "ok"}]}}
