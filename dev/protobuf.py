"""Generates the Python code of the gRPC port's messages from their .proto, or says that it is not what that says."""

import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

from verdigris.tools import generated

_ROOT = Path(__file__).parents[1] / "serving"
_PROTO = Path("verdigris_serving/grpc/open_inference.proto")
_MADE = (_PROTO.with_name("open_inference_pb2.py"), _PROTO.with_name("open_inference_pb2.pyi"))


def files(folder: Path | None = None) -> dict[Path, str]:
    """What the compiler makes of the .proto, in its place or below this folder. Raises RuntimeError when it refuses."""
    with tempfile.TemporaryDirectory() as made, resources.as_file(resources.files("grpc_tools") / "_proto") as known:
        outputs = [f"--python_out={made}", f"--pyi_out={made}"]
        code = protoc.main(["protoc", f"-I{_ROOT}", f"-I{known}", *outputs, str(_ROOT / _PROTO)])
        if code:
            raise RuntimeError(f"{_PROTO} was refused; the compiler's own words are above")
        return {(folder or _ROOT) / path: (Path(made) / path).read_text(encoding="utf-8") for path in _MADE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them."""
    return generated.main("dev.protobuf", __doc__, f"{_PROTO.name} says", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
