"""`python -m benchmarks.serving` (`make bench-serving`): our server beside its peers, with a table and a chart."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.serving import hop, images, install, report
from benchmarks.serving.errors import BenchError
from benchmarks.serving.material import MODELS, Material, prepare
from benchmarks.serving.measure import STARTS, Plan, clients_core, faster, measure, one_answer
from benchmarks.serving.picture import draw
from benchmarks.serving.servers import BentoML, KServe, MLServer, Nginx, Server, Verdigris
from dev.cluster.settings import Settings, from_environment
from dev.cluster.shell import ClusterError, say, step
from dev.demo.report import machine
from dev.demo.report import table as bars_table

NAMES = ("verdigris", "verdigris-sklearn", "mlserver", "kserve", "bentoml", "nginx")
FOREST_NAMES = ("verdigris", "mlserver", "kserve")
"""The servers that are measured with a forest as well."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when all servers gave the same probabilities, whether or not the bars are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, STARTS + 1), metavar=f"1..{STARTS}")
    parser.add_argument("--seconds", type=int, default=5, help="length of each load (default 5)")
    parser.add_argument("--servers", default=",".join(NAMES), help=f"some of {','.join(NAMES)} (default all)")
    parser.add_argument("--model", choices=MODELS, help="which pipeline (default diabetes, and after it a forest)")
    parser.add_argument("--hop", action="store_true", help="only what it costs to pass requests on (2 min)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report and the chart")
    given = parser.parse_args(argv)
    wanted = given.servers.split(",")
    if unknown := set(wanted) - set(NAMES):
        parser.error(f"there is no server {min(unknown)}; there are {', '.join(NAMES)}")
    try:
        if given.hop:
            return _hop_alone(given.rounds, given.seconds, given.out)
        found = _run(wanted, given.model or "diabetes", given.rounds, given.seconds)
        if given.model is None:
            forest = _run([name for name in wanted if name in FOREST_NAMES], "forest", given.rounds, given.seconds)
            found["forest"] = forest
    except (BenchError, ClusterError) as error:
        print(f"\nThe benchmark failed: {error}", file=sys.stderr)
        return 1
    _conclude(found, given.out)
    return 0


def _hop_alone(rounds: int, seconds: int, out: Path) -> int:
    with _prepared("diabetes", rounds, seconds) as (settings, material, plan):
        environments = _environments(settings, material, ["verdigris"])
        with clients_core(plan):
            found = _hop(environments["verdigris"], material, plan)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "hop.json"
    path.write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")
    print(f"\n{bars_table(hop.bars(found))}\n\nReport: {path}")
    return 0


def _hop(python: Path, material: Material, plan: Plan) -> dict[str, Any]:
    front, other = (Verdigris(python, material.ours, name) for name in ("front", "other"))
    return hop.report(hop.measure(front, other, material, plan))


@contextmanager
def _prepared(model: str, rounds: int, seconds: int) -> Iterator[tuple[Settings, Material, Plan]]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("Two cores are needed, one for the server and one for its clients; this process may use one.")
    settings = from_environment()
    install.programs(install.cache(settings) / "logs")
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as name:
        plan = Plan(rounds, seconds, cores[0], cores[1], Path(name))
        with step("Training the model that all of them serve"):
            material = prepare(plan.folder, model)
        yield settings, material, plan


def _run(wanted: Sequence[str], model: str, rounds: int, seconds: int) -> dict[str, Any]:
    with _prepared(model, rounds, seconds) as (settings, material, plan):
        environments = _environments(settings, material, wanted)
        with clients_core(plan):
            found = _measured(settings, material, plan, environments, wanted)
            if model == "diabetes" and "verdigris" in wanted:
                found["hop"] = _hop(environments["verdigris"], material, plan)
    return {"machine": machine(), "model": model, **found}


def _environments(settings: Settings, material: Material, wanted: Sequence[str]) -> dict[str, Path]:
    """The interpreter of each server that is wanted and can be had, all installed before anything is measured."""
    ours = material.ours.manifest.format
    requirements = {
        "verdigris": install.LOCKS / ("serving.txt" if ours == "linear" else f"serving-{ours}.txt"),
        "verdigris-sklearn": install.LOCKS / "serving-sklearn.txt",
        **{name: install.PEERS / f"{name}.txt" for name in report.PEERS},
    }
    if material.sklearn is None:
        del requirements["verdigris-sklearn"]
    needed = {name: path for name, path in requirements.items() if name in wanted or name == "verdigris"}
    return {name: install.python(settings, name, path) for name, path in needed.items()}


def _measured(
    settings: Settings, material: Material, plan: Plan, environments: dict[str, Path], wanted: Sequence[str]
) -> dict[str, Any]:
    ours = Verdigris(environments["verdigris"], material.ours)
    all_servers: list[Server] = [ours]
    sentences = []
    if material.sklearn and "verdigris-sklearn" in environments:
        all_servers.append(Verdigris(environments["verdigris-sklearn"], material.sklearn, "verdigris-sklearn"))
    elif "verdigris-sklearn" in wanted:
        sentences.append(material.why_no_sklearn)
    if "mlserver" in wanted:
        chosen, sentence = _mlserver(environments["mlserver"], material, plan)
        all_servers.append(chosen)
        sentences.append(sentence)
    if "kserve" in wanted:
        all_servers.append(KServe(environments["kserve"], material.joblib))
    if "bentoml" in wanted:
        all_servers.append(BentoML(environments["bentoml"], material.joblib))
    if "nginx" in wanted:
        all_servers.append(Nginx(one_answer(ours, material, plan)))
    results, floor = measure([each for each in all_servers if each.name in wanted], material, plan)
    built, missing = images.sizes(settings)
    return {
        "servers": report.servers(results),
        "batch_1000": report.batches(results),
        "connections_1000": report.crowds(results),
        "images": built,
        "predict_floor_us": floor,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "sentences": sentences + missing,
    }


def _mlserver(python: Path, material: Material, plan: Plan) -> tuple[MLServer, str]:
    variants = [MLServer(python, material.joblib, workers) for workers in (0, 1)]
    with step("Trying MLServer with parallel_workers 0 and 1"):
        chosen, tried = faster(material, plan, variants)
    figures = ", ".join(f"{each:,.0f} requests/s with {workers}" for workers, each in tried.items())
    return chosen, f"MLServer runs with parallel_workers {chosen.parallel_workers}, the faster one: {figures}."


def _conclude(found: dict[str, Any], out: Path) -> None:
    lines = [*report.bars(found), *report.forest_bars(found), *(hop.bars(found["hop"]) if "hop" in found else ())]
    found["bars"] = {bar.what: {"measured": bar.figure, "bar": bar.bar, "met": bar.met} for bar in lines}
    out.mkdir(parents=True, exist_ok=True)
    path = out / "serving.json"
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    pictures = draw(found, out)
    parts = [found, found["forest"]] if "forest" in found else [found]
    for part in parts:
        print(f"\n{part['model']}:\n{report.table(part)}\n")
        print(*(f"  {sentence}" for sentence in report.notes(part)), sep="\n")
    print(f"\n{bars_table(lines)}")
    print(f"\nReport: {path}   Picture: {', '.join(map(str, pictures))}")
    say("done")


if __name__ == "__main__":
    sys.exit(main())
