"""What people and inventories are told of a model, from its artifact, its gates and its ModelDeployment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.serving.support import contents, write_artifact
from verdigris_serving.artifact.baseline import baseline
from verdigris_serving.card.bom import bom
from verdigris_serving.card.facts import Decision, Facts, UnusableDocument, Words, read
from verdigris_serving.card.markdown import markdown
from verdigris_serving.cli import main
from verdigris_serving.gate.result import ArtifactRead, Check, DataRead, Group, Result, Verdict
from verdigris_serving.model.schema import Feature, Importance, Quality

SHA256 = "ab" * 32
NAMES = ["glucose", "insulin", "age"]
HOSTILE = "<script>x</script> | a\n---\n# b `c` [d](http://e) ![f](g) &amp; \\ end"
GATE = Result(
    gate="fairness",
    verdict=Verdict.FAIL,
    reason="BelowThreshold",
    message=HOSTILE,
    asked="00" * 32,
    checks=[
        Check(name="di.age", verdict=Verdict.FAIL, message="", value=0.61, threshold=0.8, bound="min",
              interval=(0.55, None), n=900),
        Check(name="min", verdict=Verdict.PASS, message="", n=3),
    ],
    groups=[
        Group(attribute="age", group="over 60", n=400, selection_rate=0.3, tpr=0.8, judged=True),
        Group(attribute="age", group=HOSTILE, n=9, selection_rate=0.1, judged=False),
    ],
    data=DataRead(sha256="cd" * 32, rows=1_300),
    artifact=ArtifactRead(sha256=SHA256, version="1.0.0"),
)  # fmt: skip
OTHERS = msgspec.structs.replace(GATE, artifact=ArtifactRead(sha256="1" * 64, version="1.0.0"))
WORDS = Words(license=HOSTILE, contact=HOSTILE, use=HOSTILE, not_for=HOSTILE)
DECISION = Decision("approve", HOSTILE, "2026-11-28T10:00:00Z", HOSTILE)


def facts(**more: Any) -> Facts:
    """The small model, with all that an artifact may hold."""
    importance = Importance("auc", 500, 3, {"glucose": 0.2, "age": -0.01})
    whole = replace(
        contents(),
        baseline=baseline(NAMES, [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]),
        quality=Quality(200, {"auc": 0.875, "accuracy": 0.8}, importance),
    )
    return replace(Facts(whole, SHA256, 1_000), **more)


def of_task(task: str, **more: Any) -> Facts:
    manifest = msgspec.structs.replace(contents().manifest, task=task, **more)
    return facts(contents=replace(contents(), manifest=manifest))


def every() -> Iterator[Facts]:
    yield from (facts(), facts(gates=(GATE,), words=WORDS, decisions=(DECISION,)), Facts(contents(), SHA256, 1))
    yield of_task("regression", classes=[], threshold=None)
    yield of_task("clusters", scores="none", threshold=None, outputs=0)
    yield of_task("multilabel", classes=["a", HOSTILE], threshold=None, label_from="model")
    yield of_task("outliers", classes=[-1, 1], scores="decision", threshold=None, libraries={"numpy": "2.4.6"})
    hostile = Feature(HOSTILE, datatype="BYTES", categories=[HOSTILE, *map(str, range(20))])
    yield of_task("classification", format="onnx", features=[hostile, *contents().manifest.features[1:]])


@pytest.mark.parametrize("known", list(every()), ids=lambda known: known.manifest.task)
def test_the_inventory_s_own_schema_takes_every_entry(known: Facts) -> None:
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom(known)))
    assert found is None, found
    assert bom(known) == bom(known)


@pytest.mark.parametrize("known", list(every()), ids=lambda known: known.manifest.task)
def test_nobody_s_words_act_in_a_card(known: Facts) -> None:
    _, front, body = markdown(known).split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["library_name"] == "sklearn"
    assert about.get("license", "") == known.words.license
    shown = body.replace(r"\\", "").replace(r"\<", "").replace(r"\|", "").replace(r"\[", "").replace(r"\`", "")
    assert "<" not in shown
    assert "](" not in shown.replace(r"\](", "")
    heads = {line for line in body.splitlines() if line.startswith("#")}
    assert not any("# b" in head and "fairness" not in head for head in heads)
    width = 0
    for line in shown.splitlines():
        if line.startswith("|"):
            width = width or line.count("|")
            assert line.count("|") == width, line
        else:
            width = 0


def test_a_card_says_what_gates_and_people_found() -> None:
    text = markdown(facts(gates=(GATE,), decisions=(DECISION,)))
    assert "### fairness: Fail" in text
    assert r"| di.age | Fail | 0.61 | at least 0.8 | 0.55 to ∞ | 900 |" in text
    assert "| age | over 60 | 400 | 0.3 | 0.8 |  |  |" in text
    assert "too few to be judged" in text
    assert f"Data: 1300 rows, sha256 `{'cd' * 32}`." in text
    assert "| glucose | 0.2000 |" in text
    assert text.index("| glucose | 0.2000 |") < text.index("| age | -0.0100 |")
    metrics = bom(facts(gates=(GATE,)))["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]
    assert {
        "type": "di.age",
        "value": "0.61",
        "slice": "fairness gate",
        "confidenceInterval": {"lowerBound": "0.55"},
    } in (metrics["performanceMetrics"])


def deployment(sha256: str = SHA256, version: str = "1.0.0", **status: Any) -> bytes:
    model = {"version": version, "sha256": sha256, "uri": "https://a/b.vmodel"}
    return json.dumps({"kind": "ModelDeployment", "spec": {"model": model}, "status": status}).encode()


def decided(at: str, outcome: str = "Accepted") -> dict[str, str]:
    return {"verb": "approve", "by": "ada", "at": at, "reason": "looked at", "outcome": outcome}


def test_a_model_deployment_tells_of_gates_and_of_the_decisions_on_the_way_of_this_version() -> None:
    gate = {
        "job": "risk-load-quality-0123456789", "verdict": "Pass", "dataSha256": "ef" * 32, "rows": 90,
        "checks": [{"name": "auc", "verdict": "Pass", "value": 0.9, "threshold": 0.85, "bound": "min", "low": 0.87,
                    "count": 90}],
        "groups": [{"attribute": "sex", "group": "f", "count": 40, "selectionRate": 0.5}],
    }  # fmt: skip
    decisions = [decided("2026-11-01T00:00:00Z"), decided("2026-11-28T10:00:00Z")]
    decisions += [decided("2026-11-28T11:00:00Z", "Refused")]
    rollout = {
        "version": "1.0.0",
        "startedAt": "2026-11-28T09:00:00Z",
        "steps": [{"gate": gate}, {}, {"gate": {"job": "a-smoke-1"}}],
    }
    found = list(read([("d", deployment(rollout=rollout, decisions=decisions))], contents().manifest, SHA256))
    assert [type(one) for one in found] == [Result, Decision]
    quality, approval = found
    assert isinstance(quality, Result)
    assert (quality.gate, quality.verdict, quality.checks[0].interval) == ("quality", Verdict.PASS, (0.87, None))
    assert approval == Decision("approve", "ada", "2026-11-28T10:00:00Z", "looked at")
    past = [{"version": "1.0.0", "startedAt": "2026-10-31T00:00:00Z", "endedAt": "2026-11-02T00:00:00Z"}]
    ended = list(read([("d", deployment(history=past, decisions=decisions))], contents().manifest, SHA256))
    assert [one.at for one in ended if isinstance(one, Decision)] == ["2026-11-01T00:00:00Z"]
    assert list(read([("d", deployment(decisions=decisions))], contents().manifest, SHA256)) == []


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "neither"),
        (b"[]", "neither"),
        (b"7", "neither"),
        (b"{", "neither"),
        (b'{"kind": "ModelDeployment"}', "neither"),
        (b'{"kind": "ModelDeployment", "spec": []}', "neither"),
        (b'{"kind": "Pod"}', "neither"),
        (deployment(sha256="ff" * 32), "checksum ffffffffffff"),
        (deployment(version="2.0.0"), "deploys version 2.0.0"),
        (deployment(rollout={"steps": [{"gate": {"verdict": "Pass", "job": "x"}}]}), "neither"),
        (deployment(rollout={"steps": [{"gate": {"verdict": "Perhaps", "job": "a-b-c"}}]}), "neither"),
        (deployment(decisions=[{}]), "neither"),
        (
            msgspec.json.encode(msgspec.structs.replace(GATE, artifact=ArtifactRead(sha256="1" * 64, version="1"))),
            "judges",
        ),
    ],
)
def test_what_says_nothing_of_this_artifact_is_refused_with_a_sentence(document: bytes, why: str) -> None:
    with pytest.raises(UnusableDocument, match=f"a.json .*{why}"):
        list(read([("a.json", document)], contents().manifest, SHA256))


def test_two_files_are_written_and_a_card_that_somebody_wrote_on_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact, out = tmp_path / "m.vmodel", tmp_path / "card"
    sha256 = write_artifact(artifact)
    result = tmp_path / "gate.json"
    result.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(GATE, artifact=ArtifactRead(sha256=sha256, version="1.0.0")))
    )
    command = ["card", str(artifact), "--out", str(out), "--with", str(result), "--use", "tests"]
    assert main(command) == 0
    assert main(command) == 0
    assert sha256 in (out / "MODEL_CARD.md").read_text()
    assert json.loads((out / "model.cdx.json").read_text())["metadata"]["component"]["hashes"][0]["content"] == sha256
    (out / "MODEL_CARD.md").write_text("mine")
    (out / "model.cdx.json").unlink()
    assert main(command) == 1
    assert "MODEL_CARD.md says something else" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["MODEL_CARD.md"]
    assert main([*command, "--force"]) == 0
    assert (out / "MODEL_CARD.md").read_text() != "mine"
    assert main([*command[:-2], "--with", str(tmp_path / "none.json")]) == 1
    assert "none.json cannot be read" in capsys.readouterr().err
    result.unlink()
    (tmp_path / "file").write_text("")
    assert main(["card", str(artifact), "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
