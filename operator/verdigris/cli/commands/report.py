"""`report [NAME] [--to FILE]`: a ZIP file for a bug report. Nothing leaves this machine by it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from collections.abc import Mapping

from verdigris import __version__
from verdigris.cli import asking
from verdigris.cli.commands.common import kubectl, now
from verdigris.cli.exits import REACHED, CliError
from verdigris.cli.kubectl import Asked, Kubectl
from verdigris.cli.model.reading import part, parts, text
from verdigris.cli.model.redacting import Redactor
from verdigris.cli.names import DECISIONS, MODEL_LABEL, MODELS, OPERATOR_LABELS

_LAST_LINES = 2000
_CHILDREN = "deployments,replicasets,pods,services,horizontalpodautoscalers,poddisruptionbudgets,controllerrevisions"
_README = """\
What `kubectl verdigris report` has collected ({version}, {at} UTC). No Secret and no ConfigMap was read.

Taken out ("REDACTED"): values of environment variables, users, passwords and queries of URLs, what reads like a token,
annotations but the operator's own, addresses of pods and nodes. People are called person-1, person-2.
Names of models, namespaces, nodes and images are in it. Look through it before you hand it on.

Missing, as it could not be read:
{missing}
"""


def run(options: argparse.Namespace) -> int:
    """Write it, and say what is in it. What may not be read is left out, and named in it."""
    cluster = kubectl(options)
    answers = _asked(cluster, _documents(options.name))
    answers.update(_asked(cluster, _log(answers.get("operator.json"))))
    if all(isinstance(answer, CliError) for answer in answers.values()):
        raise next(answer for answer in answers.values() if isinstance(answer, CliError))
    files, missing = _contents(answers)
    path = options.to or f"verdigris-report-{now():%Y%m%d-%H%M%S}.zip"
    readme = _README.format(
        version=__version__, at=f"{now():%Y-%m-%d %H:%M:%S}", missing="\n".join(missing) or "nothing"
    )
    _write(path, {"README.txt": readme, **files})
    print(f"{path}: {len(files)} files, redacted. Look through it before you hand it on.")
    for line in missing:
        print(f"left out: {line}", file=sys.stderr)
    return REACHED


def _asked(cluster: Kubectl, asked: Mapping[str, Asked]) -> dict[str, str | CliError]:
    return dict(zip(asked, cluster.attempts(list(asked.values()))))


def _documents(name: str | None) -> dict[str, Asked]:
    """By the file that it goes into."""
    models = asking.model(name) if name else asking.models()
    labels = f"{MODEL_LABEL}={name}" if name else MODEL_LABEL
    return {
        "models.json": models,
        "decisions.json": asking.everything(DECISIONS, "to report decisions"),
        "children.json": asking.labelled(_CHILDREN, labels, "to report what runs"),
        "servicemonitors.json": asking.labelled("servicemonitors", labels, "to report how it is scraped"),
        "events.json": asking.everything("events", "to report Events"),
        "quotas.json": asking.everything("resourcequotas,limitranges", "to report quotas"),
        "operator.json": asking.labelled(
            "deployments,pods", OPERATOR_LABELS, "to report the operator", everywhere=True
        ),
        "version.json": Asked(("version", "-o", "json"), "to report versions"),
        "crds.json": Asked(("get", "crd", MODELS, DECISIONS, "-o", "json"), "to report the CRDs"),
    }


def _log(operator: str | CliError | None) -> dict[str, Asked]:
    """Of the operator, in the namespace where it was found."""
    found = parts(json.loads(operator), "items") if isinstance(operator, str) else []
    namespace = next((text(part(one, "metadata"), "namespace") for one in found), "")
    if not namespace:
        return {}
    how = (f"--selector={OPERATOR_LABELS}", f"--tail={_LAST_LINES}", "--prefix", "--all-containers")
    return {"operator.log": Asked(("logs", *how, f"--namespace={namespace}"), "to report the operator's log")}


def _contents(answers: Mapping[str, str | CliError]) -> tuple[dict[str, str], list[str]]:
    """Redacted files, and why others are missing. Documents first: they name the people whom a log may name."""
    redactor, files, missing = Redactor(), {}, []
    for file, answer in answers.items():
        if isinstance(answer, CliError):
            missing.append(f"{file}: {answer}")
        elif file.endswith(".json"):
            document = json.loads(answer)
            _meet(redactor, document)
            files[file] = json.dumps(redactor.document(document), indent=1, ensure_ascii=False)
        else:
            files[file] = redactor.text(answer)
    return files, missing


def _meet(redactor: Redactor, document: Mapping[str, object]) -> None:
    for one in parts(document, "items"):
        person = text(part(one, "spec"), "requestedBy")
        if person:
            redactor.meet(person)


def _write(path: str, files: Mapping[str, str]) -> None:
    try:
        # Readable for its owner only: it is about their cluster.
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(target, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}. Name another place with --to.") from error
