"""The load gate: how the version bears load, measured from the moment each request was due."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import msgspec
import uvloop

from verdigris_serving.gate import synthetic
from verdigris_serving.gate.client import Address
from verdigris_serving.gate.config import Load
from verdigris_serving.gate.fetched import Fetcher
from verdigris_serving.gate.generator import Generator, Run
from verdigris_serving.gate.guard import Watch, watching
from verdigris_serving.gate.judging import Rule, judged
from verdigris_serving.gate.result import ArtifactRead, Check, Finding, LoadSeen, Verdict, rounded
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.protocol.service import InferenceService, ModelFault

#: Different requests, sent in turns.
_BODIES = 256
#: A request may be sent late, and its answer be read late.
_TWICE = 2


def load(config: Load, fetcher: Fetcher) -> Finding:
    """Load, measure, judge. Raises Refusal, NotNow."""
    address = Address.of(config.url)
    model = fetcher.model(config.model)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        run = runner.run(_run(config, address, bodies(model, config.seed), f"/v2/models/{model.manifest.name}/infer"))
    finding = Finding(
        judge(config, run),
        artifact=ArtifactRead(sha256=model.sha256, version=model.manifest.version),
        seed=config.seed,
        load=_seen(run),
    )
    if run.stopped:
        finding.reason = "ActiveSuffered"
    return finding


def bodies(model: LoadedModel, seed: int) -> list[bytes]:
    """Requests of one row that the artifact answers; as good as any where it answers none."""
    service = InferenceService(model)
    made = [msgspec.json.encode({"rows": [row]}) for row in synthetic.rows(model, _BODIES, random.Random(seed))]
    return [body for body in made if _answered(service, body)] or made


def _answered(service: InferenceService, body: bytes) -> bool:
    try:
        return service.infer(body, "load").status == 200
    except ModelFault:
        return False


async def _run(config: Load, address: Address, made: list[bytes], path: str) -> Run:
    generator = Generator(config, address, [address.request(path, body) for body in made])
    async with _guarded(config, path, made[0]) as watch:
        if watch and watch.before is not None and watch.before > watch.limit:
            told = f"the active version's p95 is {watch.before * 1000:.3g} ms before any load, beyond its limit"
            return Run(generator.latencies, stopped=told)
        await generator.connect()
        return await generator.run(watch.suffering if watch else lambda: "")


@contextlib.asynccontextmanager
async def _guarded(config: Load, path: str, body: bytes) -> AsyncIterator[Watch | None]:
    if config.guard is None:
        yield None
        return
    async with watching(config.guard, path, body) as watch:
        yield watch


def judge(config: Load, run: Run) -> list[Check]:
    """One check a limit, and one of errors. Pure. Nothing is judged when the load was stopped."""
    if run.stopped:
        message = f"the load was stopped after {run.seconds:.3g} s: {run.stopped}"
        return [Check(name="active", verdict=Verdict.INCONCLUSIVE, message=message, n=run.latencies.n)]
    limits = [("p95", 0.95, config.p95_seconds), ("p99", 0.99, config.p99_seconds)]
    asked = [(name, share, limit) for name, share, limit in limits if limit is not None]
    rule = Rule.of(config.confidence, max(1, len(asked)))
    checks = [_errors(config, run)]
    for name, share, limit in asked:
        if not run.latencies.n:
            checks.append(_nothing(name, limit))
            continue
        check = judged(
            name,
            run.latencies.percentile(share, limit),
            "max",
            limit,
            rule,
            called=f"{name} in seconds",
            what="answers",
        )
        low = check.interval[0] if check.interval else check.value
        checks.append(_of_server(check, run, certain=(low or 0.0) - _TWICE * run.late > limit))
    if config.min_rate is not None:
        # Of what a request took the generator's part is small.
        own = not run.latencies.n or _TWICE * run.late < run.latencies.sum / run.latencies.n / 2
        checks.append(_of_server(_rate(config.min_rate, run), run, certain=own))
    return checks


def _errors(config: Load, run: Run) -> Check:
    count = sum(run.errors.values())
    kinds = ", ".join(f"{what} ({number:,})" for what, number in sorted(run.errors.items(), key=lambda e: -e[1])[:5])
    told = f"{count:,} of {run.asked:,} requests had no good answer, and at most {config.max_errors:,} may"
    return Check(
        name="errors",
        verdict=Verdict.PASS if count <= config.max_errors else Verdict.FAIL,
        message=f"{told}{f': {kinds}' if kinds else ''}",
        value=count,
        threshold=config.max_errors,
        bound="max",
        n=run.asked,
    )


def _nothing(name: str, limit: float) -> Check:
    return Check(
        name=name,
        verdict=Verdict.INCONCLUSIVE,
        message=f"{name} is not known: nothing was answered",
        threshold=limit,
        bound="max",
        n=0,
    )


def _rate(least: float, run: Run) -> Check:
    rate = run.latencies.n / run.seconds if run.seconds else 0.0
    return Check(
        name="rate",
        verdict=Verdict.PASS if rate >= least else Verdict.FAIL,
        message=f"{rate:,.0f} requests a second were answered, and {least:,.0f} are the least",
        value=round(rate, 1),
        threshold=least,
        bound="min",
        n=run.latencies.n,
    )


def _of_server(check: Check, run: Run, *, certain: bool) -> Check:
    """The check; undecided unless it is ``certain`` that it was the server that was slow, and not the generator."""
    if check.verdict is not Verdict.FAIL or certain:
        return check
    told = f"but the generator itself was late by up to {run.late * 1000:.3g} ms: give it more CPU, or ask for less"
    return msgspec.structs.replace(check, verdict=Verdict.INCONCLUSIVE, message=f"{check.message}; {told}")


def _seen(run: Run) -> LoadSeen:
    latencies = run.latencies
    return LoadSeen(
        asked=run.asked,
        answered=latencies.n,
        errors=dict(run.errors.most_common(10)),
        seconds=round(run.seconds, 3),
        p50_seconds=rounded(latencies.quantile(0.5)),
        p95_seconds=rounded(latencies.quantile(0.95)),
        p99_seconds=rounded(latencies.quantile(0.99)),
        busy=round(run.busy, 3),
        late_seconds=rounded(run.late),
    )
