#!/bin/sh
# Resolves requirements/*.txt from pyproject.toml: hashes and no hosts, so that any index or mirror serves them.
set -eu
cd "$(dirname "$0")/.."
uv=$(ls -d "${VERDIGRIS_CACHE:-$HOME/.cache/verdigris}"/uv-*/bin/uv | tail -n 1)
compile() {
    "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-annotate "$@"
}
compile --extra operator pyproject.toml -o requirements/operator.txt
for variant in serving serving-onnx serving-sklearn; do
    compile --extra "$variant" pyproject.toml -o "requirements/$variant.txt"
done
compile --all-extras --group dev pyproject.toml -o requirements/dev.txt
