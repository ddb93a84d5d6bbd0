"""From a gate's name and the document it is given to its answer and exit code, whatever happens on the way."""

import hashlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from verdigris_serving.gate.config import Config, Fairness, InvalidConfig, Quality, Smoke, read
from verdigris_serving.gate.fairness import fairness
from verdigris_serving.gate.fetched import Fetcher
from verdigris_serving.gate.load import load
from verdigris_serving.gate.quality import quality
from verdigris_serving.gate.refusals import NotNow, Refusal
from verdigris_serving.gate.result import EXIT_BAD_INPUT, EXIT_CODES, Finding, Result, Verdict, answer
from verdigris_serving.gate.smoke import smoke
from verdigris_serving.reasons import ServingError


def outcome(gate: str, document: bytes, env: Mapping[str, str]) -> tuple[Result, int]:
    """The answer of a gate of KINDS, and the exit code. Raises only what is a fault of the gate itself."""
    began = time.monotonic()
    try:
        finding = _found(read(gate, document), env)
    except InvalidConfig as error:
        return refused(gate, "ConfigInvalid", str(error), document, began), EXIT_BAD_INPUT
    except Refusal as refusal:
        code = EXIT_CODES[Verdict.INCONCLUSIVE] if isinstance(refusal, NotNow) else EXIT_BAD_INPUT
        return refused(gate, refusal.reason, refusal.message, document, began), code
    except ServingError as failure:
        return refused(gate, failure.reason, failure.message, document, began), EXIT_BAD_INPUT
    result = answer(gate, finding, _sha256(document), time.monotonic() - began)
    return result, EXIT_CODES[result.verdict]


def refused(gate: str, reason: str, message: str, document: bytes, began: float) -> Result:
    """The answer where nothing was judged; ``began`` in seconds of the monotonic clock."""
    return Result(
        gate=gate,
        verdict=Verdict.INCONCLUSIVE,
        reason=reason,
        message=message,
        asked=_sha256(document),
        took_seconds=round(time.monotonic() - began, 3),
    )


def _found(config: Config, env: Mapping[str, str]) -> Finding:
    with tempfile.TemporaryDirectory(prefix="verdigris-gate-") as folder:
        fetcher = Fetcher(Path(folder), env)
        if isinstance(config, Quality):
            return quality(config, fetcher)
        if isinstance(config, Fairness):
            return fairness(config, fetcher)
        if isinstance(config, Smoke):
            return smoke(config, fetcher)
        return load(config, fetcher)


def _sha256(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()
