"""Generates the Python code of the gRPC port's messages from their .proto, or says that it is not what that says."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

_ROOT = Path(__file__).parents[1] / "serving"
_PROTO = Path("verdigris_serving/grpc/open_inference.proto")
_MADE = (_PROTO.with_name("open_inference_pb2.py"), _PROTO.with_name("open_inference_pb2.pyi"))


def generate(folder: Path) -> None:
    """Write the generated files below ``folder``. Raises RuntimeError when the compiler refuses the .proto."""
    with resources.as_file(resources.files("grpc_tools") / "_proto") as known:
        outputs = [f"--python_out={folder}", f"--pyi_out={folder}"]
        code = protoc.main(["protoc", f"-I{_ROOT}", f"-I{known}", *outputs, str(_ROOT / _PROTO)])
    if code:
        raise RuntimeError(f"{_PROTO} was refused; the compiler's own words are above")


def stale() -> list[Path]:
    """The generated files that are not what the .proto says."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        return [
            path
            for path in _MADE
            if not (_ROOT / path).is_file() or (_ROOT / path).read_bytes() != (Path(folder) / path).read_bytes()
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them: 0 when they are up to date, 1 and a sentence when they are not."""
    parser = argparse.ArgumentParser(prog="python -m dev.protobuf", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the generated files")
    action.add_argument("--check", action="store_true", help="fail when they are not what the .proto says")
    if parser.parse_args(arguments).write:
        generate(_ROOT)
        return 0
    old = ", ".join(str(path) for path in stale())
    if old:
        print(f"{old}: not what {_PROTO.name} says. Run `python -m dev.protobuf --write`.", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
