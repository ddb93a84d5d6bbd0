"""What kubectl says when it cannot becomes a sentence: which right is missing for what, and what to do."""

from __future__ import annotations

import pytest

from tests.cli.scenes import on_trial, waiting
from tests.cli.stage import Stage
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Asked, Connection, Kubectl
from verdigris.cli.refusals import NotFound, Refused, UnknownKind, Unreachable, failure

IN_CLINIC = 'in API group "" in the namespace "clinic"'
EVERYWHERE = 'in API group "verdigris.dev" at the cluster scope'
NO = "Error from server (Forbidden): "
POLICY = "ValidatingAdmissionPolicy 'v-decisions' with binding 'v-decisions' denied request: "
CASES = [
    (
        f'{NO}pods is forbidden: User "bob" cannot list resource "pods" {IN_CLINIC}',
        Refused,
        "bob may not list pods in namespace clinic, which is needed to show its pods. Have somebody bind",
    ),
    (
        f'{NO}x is forbidden: User "bob" cannot list resource "modeldeployments" {EVERYWHERE}',
        Refused,
        "bob may not list modeldeployments.verdigris.dev in the whole cluster",
    ),
    (
        f'{NO}error when creating "STDIN": x is forbidden: {POLICY}alice may not rollback diabetes',
        Refused,
        "alice may not rollback diabetes. That is the verb rollback on modeldeployments.verdigris.dev diabetes",
    ),
    (
        'error: failed to create: admission webhook "policy.example.com" denied the request: (Forbidden)',
        Refused,
        "policy.example.com",
    ),
    (
        'Error from server (NotFound): modeldeployments.verdigris.dev "x" not found',
        NotFound,
        '"x" not found. kubectl verdigris list -A shows what there is.',
    ),
    (
        'error: the server doesn\'t have a resource type "modeldeployments"',
        UnknownKind,
        "Is Verdigris installed there?",
    ),
    ("error: You must be logged in to the server (Unauthorized)", Unreachable, "Log in again"),
    ("The connection to the server 10.0.0.1:6443 was refused - is it?", Unreachable, "Check the context"),
    ("Unable to connect to the server: dial tcp: lookup x: no such host", Unreachable, "Check the context"),
    ("error: something new", CliError, "something new"),
    ("", CliError, "it said nothing"),
]


def test_what_is_no_model_is_not_looked_for_among_the_models() -> None:
    assert str(failure('Error from server (NotFound): services "x" not found', "")) == 'services "x" not found.'


@pytest.mark.parametrize(("said", "kind", "told"), CASES)
def test_each_failure_is_a_sentence_with_what_to_do(said: str, kind: type[CliError], told: str) -> None:
    error = failure(said, "to show its pods")
    assert type(error) is kind
    assert told in str(error)
    assert str(error).endswith(".")
    assert "Error from server" not in str(error)


def test_what_kubectl_logs_before_its_error_is_left_out() -> None:
    line = 'E1128 13:13:12.275943   11171 memcache.go:265] "Unhandled Error" err="no server API group list"\n'
    error = failure(line * 5 + "The connection to the server localhost:8080 was refused", "")
    assert str(error).startswith("The connection to the server localhost:8080 was refused. Check the context")
    assert "no server API group list" in str(failure(line, ""))


def test_escapes_of_a_terminal_do_not_get_through() -> None:
    assert "\x1b" not in str(failure("error: \x1b[2J all gone", ""))


def test_without_the_right_to_see_pods_the_tree_is_shown_and_says_which_right_it_is(stage: Stage) -> None:
    scene = on_trial()
    stage.given(scene.model, *scene.pods).may_not("list pods")
    code, out, _ = stage.run("get", "diabetes")
    assert code == 0
    assert "TooFewRequests" in out
    assert "not shown: bob may not list pods in namespace clinic, which is needed to show its pods" in out
    assert stage.run("why", "diabetes")[0] == 0


def test_without_the_right_to_see_models_nothing_is_shown(stage: Stage) -> None:
    stage.given(on_trial().model).may_not("get modeldeployments")
    code, out, err = stage.run("get", "diabetes")
    assert (code, out) == (1, "")
    assert (
        "bob may not get modeldeployments.verdigris.dev in namespace clinic, which is needed to show the model" in err
    )
    assert "<release>-view" in err


def test_without_the_right_to_list_everywhere_it_says_that_one_namespace_may_do(stage: Stage) -> None:
    stage.may_not("list modeldeployments")
    code, _, err = stage.run("list", "-A")
    assert (code, "without -A: of one" in err) == (1, True)


def test_without_the_right_to_watch_it_says_that_once_would_do(stage: Stage) -> None:
    stage.given(on_trial().model).may_not("watch modeldeployments")
    code, _, err = stage.run("get", "diabetes", "-w")
    assert (code, "without it: get without -w" in err) == (1, True)


def test_without_the_right_to_decide_nothing_is_decided(stage: Stage) -> None:
    stage.given(waiting().model).may_not("create rolloutdecisions")
    code, _, err = stage.run("approve", "diabetes")
    assert code == 1
    assert "bob may not create rolloutdecisions.verdigris.dev" in err
    assert "-approver (or -aborter)" in err


def test_a_policy_that_says_no_is_told_in_its_own_words(stage: Stage) -> None:
    stage.given(waiting().model).holds("policy.json", "bob may not approve diabetes")
    code, _, err = stage.run("approve", "diabetes")
    assert (code, "bob may not approve diabetes. That is the verb approve" in err) == (1, True)


def test_a_server_that_is_away_is_told_so(stage: Stage) -> None:
    stage.holds("away", True)
    code, _, err = stage.run("list")
    assert (code, "was refused" in err, "Check the context" in err) == (1, True, True)


def test_without_kubectl_it_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CliError, match="no kubectl on PATH: install it"):
        Kubectl(Connection()).text(Asked(("get", "pods")))


def test_what_is_no_kubectl_is_told_so(stage: Stage) -> None:
    (stage.bin / "kubectl").write_text("#!/bin/sh\necho hello\n")
    code, _, err = stage.run("list")
    assert (code, "no JSON" in err) == (1, True)


def test_what_kubectl_needs_is_handed_on(stage: Stage) -> None:
    stage.given(on_trial().model)
    connection = ["--context=c", "--kubeconfig=k", "--as=alice", "--as-group=g", "--request-timeout=7s"]
    assert stage.run("list", *connection, "-n", "clinic")[0] == 0
    (call,) = stage.calls()
    assert call[:4] == ["--context=c", "--kubeconfig=k", "--as=alice", "--as-group=g"]
    assert "--namespace=clinic" in call
    assert "--request-timeout=7s" in call


def test_flags_may_stand_before_the_verb_as_well(stage: Stage) -> None:
    stage.given(on_trial().model)
    assert stage.run("--context=c", "-n", "clinic", "list")[0] == 0
    assert "--context=c" in stage.calls()[0]
    assert "--namespace=clinic" in stage.calls()[0]
