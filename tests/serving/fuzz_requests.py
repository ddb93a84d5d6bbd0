"""Coverage-guided fuzzing of inference requests: ``python -m tests.serving.fuzz_requests -max_total_time=60``.

The first byte chooses JSON alone or the binary extension; the invariant is that of ``test_mutated_requests.py``.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["verdigris_serving"]):
    from tests.serving.invariant import check, seeds


def one(data: bytes) -> None:
    """One request; raises AssertionError when the answer is not one that a caller may get."""
    if not data:
        return
    body = data[1:]
    check(body, None if data[0] < 128 else min(2 * (data[0] - 128), len(body) + 1))


if __name__ == "__main__":
    if not any(not argument.startswith("-") for argument in sys.argv[1:]):
        corpus = Path("out/fuzz/requests")
        corpus.mkdir(parents=True, exist_ok=True)
        for number, (body, header_length) in enumerate(seeds()):
            first = 0 if header_length is None else 128 + header_length // 2
            (corpus / f"seed-{number}").write_bytes(bytes([min(first, 255)]) + body)
        sys.argv.append(str(corpus))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
