#!/bin/sh
# Resolves requirements/*.txt from pyproject.toml: hashes and no hosts, so that any index or mirror serves them.
set -eu
cd "$(dirname "$0")/.."
uv=$(ls -d "${VERDIGRIS_CACHE:-$HOME/.cache/verdigris}"/uv-*/bin/uv | tail -n 1)
compile() {
    "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-annotate "$@"
}
# The rest is resolved within what the tests run with: an image gets no version that they have not seen.
compile --all-extras --group dev pyproject.toml -o requirements/dev.txt
for extra in operator serving serving-onnx serving-sklearn serving-grpc; do
    compile --extra "$extra" -c requirements/dev.txt pyproject.toml -o "requirements/$extra.txt"
done
