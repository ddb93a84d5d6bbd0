"""What each verb does on a cluster of files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.scenes import (
    at,
    blind,
    document,
    healthy,
    on_trial,
    over,
    promoted,
    rejected,
    rolling_out,
    scene,
    until,
    waiting,
)
from tests.cli.stage import Stage
from tests.cli.test_output import ADVICE
from tests.rollout.parts import Version
from verdigris.cli.commands.completion import SCRIPTS
from verdigris.cli.parser import VERBS

ACCEPTED = {"outcome": "Accepted", "message": "Version 1.1.0 may go on."}
REFUSED = {"outcome": "Refused", "message": "No rollout is under way, so there is nothing to approve."}


def revision(model: dict[str, Any]) -> str:
    return str(model["status"]["target"]["revision"])


def test_get_asks_for_the_model_and_its_pods_and_no_more(stage: Stage) -> None:
    scene_ = on_trial()
    stage.given(scene_.model, *scene_.pods)
    code, out, _ = stage.run("get", "diabetes")
    assert code == 0
    assert out.splitlines()[0].startswith("diabetes  clinic  ● Progressing (OnTrial)")
    assert sorted(call[1] for call in stage.calls()) == ["modeldeployments.verdigris.dev", "pods"]


def test_in_the_c_locale_the_tree_is_ascii(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "C")
    scene_ = on_trial()
    stage.given(scene_.model, *scene_.pods)
    assert stage.run("get", "diabetes")[1].isascii()


def test_a_pipe_is_as_wide_as_it_takes_unless_columns_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.given(rejected().model)
    assert max(map(len, stage.run("get", "diabetes")[1].splitlines())) > 200
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, stage.run("get", "diabetes")[1].splitlines())) <= 60


def test_followed_in_a_pipe_each_change_is_a_line(stage: Stage) -> None:
    world = until(rolling_out(), at("OnTrial"))
    steps = [scene(world).model, scene(world).model, scene(until(world, over).run(2)).model]
    stage.given(steps[0]).then(*steps[1:]).then(steps[2], type="DELETED")
    code, out, err = stage.run("get", "diabetes", "-w")
    assert code == 0
    lines = out.splitlines()
    assert ["stage=OnTrial" in one for one in lines] == [True, False], "what only repeats the last one is left out"
    assert "active=1.1.0" in lines[1]
    assert "was deleted" in err


def test_followed_as_json_each_change_is_a_document_on_a_line(stage: Stage) -> None:
    stage.given(on_trial().model).then(rejected().model).then(rejected().model, type="DELETED")
    _, out, _ = stage.run("get", "diabetes", "-w", "-o", "json")
    kinds = [json.loads(one)["kind"] for one in out.splitlines()]
    assert kinds == ["Tree", "Tree", "Tree"]


def test_list_shows_every_model_and_filters_by_labels(stage: Stage) -> None:
    other = document(on_trial().model["spec"], rolling_out().status)
    other["metadata"] |= {"name": "asthma", "labels": {"team": "lungs"}}
    stage.given(on_trial().model, other)
    code, out, _ = stage.run("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "asthma", "diabetes"]
    assert "diabetes" not in stage.run("list", "-l", "team=lungs")[1]
    assert stage.run("list", "-A")[1].startswith("NAMESPACE")
    assert "There is no model" in stage.run("list", "-l", "team=none")[1]


def test_why_says_the_message_word_for_word(stage: Stage) -> None:
    model = blind().model
    stage.given(model)
    code, out, _ = stage.run("why", "diabetes")
    assert code == 0
    assert model["status"]["rollout"]["evidence"]["message"] in out
    assert "kubectl verdigris check diabetes -n clinic" in out


@pytest.mark.parametrize(
    ("verb", "make"),
    [("approve", waiting), ("promote", on_trial), ("abort", on_trial), ("retry", rejected), ("rollback", promoted)],
)
def test_each_verb_decides_about_the_revision_of_now(stage: Stage, verb: str, make: Any) -> None:
    model = make().model
    stage.given(model).holds("answer.json", ACCEPTED)
    code, out, err = stage.run(verb, "diabetes", "--reason", "tried it")
    assert (code, err) == (0, "")
    (made,) = [json.loads(one.read_text()) for one in (stage.folder / "objects").glob("RolloutDecision-*")]
    assert made["spec"] == {
        "modelDeployment": "diabetes",
        "revision": revision(model),
        "verb": verb,
        "reason": "tried it",
        "requestedBy": "bob",
    }
    assert made["metadata"]["name"].startswith(f"diabetes-{verb}-")
    assert "Accepted: Version 1.1.0 may go on." in out


@pytest.mark.parametrize(
    ("make", "told"),
    [(waiting, "it goes on to its next step."), (on_trial, "it will not wait at its next approval.")],
)
def test_a_yes_that_comes_before_it_is_asked_for_is_told_to_be_kept(stage: Stage, make: Any, told: str) -> None:
    stage.given(make().model).holds("answer.json", ACCEPTED)
    _, out, _ = stage.run("approve", "diabetes")
    assert f"(version 1.1.0): {told}\n" in out


def test_a_decision_that_was_refused_is_told_with_its_sentence(stage: Stage) -> None:
    stage.given(waiting().model).holds("answer.json", REFUSED)
    code, out, _ = stage.run("approve", "diabetes")
    assert (code, REFUSED["message"] in out) == (1, True)


def test_a_decision_about_a_revision_that_has_moved_on_is_not_made(stage: Stage) -> None:
    stage.given(waiting().model)
    code, _, err = stage.run("approve", "diabetes", "--revision", "v1-0000000000")
    assert code == 6
    assert "has moved on from v1-0000000000 to v1-" in err
    assert not any("create" in call for call in stage.calls())


@pytest.mark.parametrize(
    ("verb", "make", "told"),
    [
        ("approve", healthy, "no rollout of clinic/diabetes is under way"),
        ("retry", on_trial, "asks for no rejected revision"),
        ("rollback", healthy, "no earlier version of clinic/diabetes is warm any more"),
    ],
)
def test_where_there_is_nothing_to_decide_it_says_so(stage: Stage, verb: str, make: Any, told: str) -> None:
    stage.given(make().model)
    code, _, err = stage.run(verb, "diabetes")
    assert (code, told in err) == (1, True)


def test_a_version_that_is_being_taken_back_cannot_be_aborted_once_more(stage: Stage) -> None:
    stage.given(scene(until(rolling_out(Version(error_rate=0.5)), at("RollingBack"))).model)
    code, _, err = stage.run("abort", "diabetes")
    assert (code, "is being taken back already" in err) == (1, True)


def test_a_dry_run_asks_the_server_and_decides_nothing(stage: Stage) -> None:
    stage.given(waiting().model)
    code, out, _ = stage.run("approve", "diabetes", "--dry-run")
    assert code == 0
    assert "nothing was decided" in out
    assert any("--dry-run=server" in call for call in stage.calls())
    assert not list((stage.folder / "objects").glob("RolloutDecision-*"))


def test_an_operator_that_does_not_answer_is_a_timeout(stage: Stage) -> None:
    stage.given(waiting().model)
    code, _, err = stage.run("approve", "diabetes", "--timeout=500ms")
    assert (code, "has not answered within 500ms" in err) == (124, True)


def test_pause_and_resume_set_the_field_and_say_why(stage: Stage) -> None:
    stage.given(on_trial().model)
    code, out, _ = stage.run("pause", "diabetes", "--reason", "lunch")
    assert (code, "spec.paused is true" in out) == (0, True)
    kept = stage.kept("ModelDeployment", "diabetes")
    assert kept["spec"]["paused"] is True
    assert kept["metadata"]["annotations"] == {"kubernetes.io/change-cause": "pause: lunch"}
    assert "is true already" in stage.run("pause", "diabetes")[1]
    assert stage.run("resume", "diabetes", "--dry-run")[0] == 0
    assert (
        json.loads((stage.folder / "objects" / "ModelDeployment-diabetes.json").read_text())["spec"]["paused"] is True
    )
    assert stage.run("resume", "diabetes", "--revision", "v1-0000000000")[0] == 6


def test_history_has_rollouts_and_decisions(stage: Stage) -> None:
    world = until(rolling_out(approval="Required"), at("AwaitingApproval"))
    assert world.status.rollout is not None
    world.decide("abort", world.status.rollout.revision, by="alice", reason="wrong labels")
    model = scene(until(world, over).run(2)).model
    decision = {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "RolloutDecision",
        "metadata": {"name": "abort-1", "namespace": "clinic", "creationTimestamp": "2026-11-23T10:02:20Z"},
        "spec": {
            "modelDeployment": "diabetes",
            "revision": "v1-a",
            "verb": "abort",
            "reason": "r",
            "requestedBy": "al",
        },
        "status": {"outcome": "Accepted", "message": "Version 1.1.0 is taken back."},
    }
    stage.given(model, decision)
    _, out, _ = stage.run("history", "diabetes")
    assert "Aborted" in out
    assert "Version 1.1.0 is taken back." in out
    stage.may_not("list rolloutdecisions")
    assert "wrong labels" in stage.run("history", "diabetes")[1], "the status remembers the last ones"


def test_logs_are_of_the_version_on_trial_and_else_of_the_active_one(stage: Stage) -> None:
    stage.given(on_trial().model)
    code, _, told = stage.run("logs", "diabetes", "-c", "server", "--previous")
    assert (code, told) == (0, "Of 1.1.0 (green), which is on trial:\n")
    call = stage.calls()[-1]
    assert "--selector=verdigris.dev/model=diabetes,verdigris.dev/color=green" in call
    assert {"--container=server", "--previous", "--namespace=clinic"} <= set(call)
    stage.given(healthy().model)
    assert stage.run("logs", "diabetes")[2] == "Of 1.0.0 (blue), which is active:\n"
    assert "--selector=verdigris.dev/model=diabetes,verdigris.dev/color=blue" in stage.calls()[-1]
    assert stage.run("logs", "diabetes", "--color", "green")[0] == 0
    assert "--all-containers" in stage.calls()[-1]


def test_logs_say_that_those_of_a_rejected_version_are_gone(stage: Stage) -> None:
    stage.given(rejected().model)
    told = stage.run("logs", "diabetes")[2]
    assert told == "Of 1.0.0 (blue), which is active; the pods of 1.1.0, which was rejected, have ended:\n"


def test_what_the_shadow_of_a_rejected_version_counted_stands_in_the_message(stage: Stage) -> None:
    model = rejected().model
    model["status"]["rejected"][-1] |= {"reason": "ShadowDisagrees", "message": "12 of 12 rows came out otherwise."}
    _, told, _ = stage.given(model).run("why", "diabetes")
    assert "limit  see the message" in told
    assert "no row compared yet" not in told


def test_steps_with_weights_are_called_a_canary_whenever_they_are_looked_at(stage: Stage) -> None:
    model = healthy().model
    assert "strategy BlueGreen" in stage.given(model).run("get", "diabetes")[1]
    model["spec"]["rollout"]["steps"] = [{"weight": 10, "hold": "1m"}]
    assert "strategy Canary" in stage.given(model).run("get", "diabetes")[1]


def test_recommend_shows_the_advice_and_the_patch_and_applies_nothing(stage: Stage) -> None:
    model = healthy().model
    stage.given(model)
    assert "no recommendation yet" in stage.run("recommend", "diabetes")[1]
    model["status"]["recommendation"] = ADVICE
    model["spec"]["serving"]["resources"] = {"requests": {"cpu": "1"}}
    stage.given(model)
    _, out, _ = stage.run("recommend", "diabetes")
    assert [line.split() for line in out.splitlines()[1:3]] == [["cpu", "1", "250m"], ["memory", "-", "96Mi"]]
    assert """kubectl patch mdep diabetes -n clinic --type=merge -p '{"spec":""" in out
    assert not any("patch" in call for call in stage.calls())


def test_completion_knows_verbs_options_values_and_names(stage: Stage) -> None:
    stage.given(on_trial().model)

    def completed(*words: str) -> list[str]:
        return [line.partition("\t")[0] for line in stage.run("__complete", *words)[1].splitlines()]

    assert completed("") == list(VERBS)
    assert completed("re") == ["retry", "resume", "report", "recommend"]
    assert completed("get", "") == ["diabetes"]
    assert completed("get", "x") == []
    assert completed("status", "diabetes", "--until", "") == ["healthy", "paused", "gated", "rolledback"]
    assert "--reason" in completed("approve", "--")
    assert completed("list", "") == []
    stage.holds("away", True)
    assert completed("get", "") == []


@pytest.mark.parametrize("shell", SCRIPTS)
def test_there_is_a_script_for_each_shell(stage: Stage, shell: str) -> None:
    code, out, _ = stage.run("completion", shell)
    assert (code, "kubectl-verdigris __complete" in out) == (0, True)


def test_each_verb_has_help_and_the_exit_codes_are_told(stage: Stage) -> None:
    for verb in VERBS:
        code, out, _ = stage.run(verb, "--help")
        assert (code, VERBS[verb] in " ".join(out.split())) == (0, True)
    assert "124  timeout" in stage.run("--help")[1]
    assert stage.run("--version")[1].strip() == "0.1.0"
