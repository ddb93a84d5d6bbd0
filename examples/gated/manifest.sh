#!/bin/sh
# Print the ModelDeployment of one version of the diabetes model, with everything that is asked of it:
#
#   sh examples/gated/manifest.sh 1.1.0 models | kubectl apply -f -
#
# `models` is the folder that examples.diabetes.train wrote; it is served at STORE (default: this machine, as pods of
# the local cluster reach it).
set -eu
version=${1:?give the version, such as 1.1.0} folder=${2:?give the folder of the models}
store=${STORE:-http://10.244.0.1:8099}
model=$folder/diabetes-$version.vmodel
for file in "$model" "$folder/holdout.csv"; do
    [ -r "$file" ] || { echo "$file is not there: python -m examples.diabetes.train --out $folder writes it" >&2; exit 1; }
done
checksum() { sha256sum "$1" | cut -d ' ' -f 1; }
cat <<END
apiVersion: verdigris.dev/v1alpha1
kind: ModelDeployment
metadata:
  name: diabetes
spec:
  model:
    version: $version
    uri: $store/diabetes-$version.vmodel
    format: linear
    sha256: $(checksum "$model")
  rollout:
    steps:
      - quality:
          data: { uri: "$store/holdout.csv", sha256: $(checksum "$folder/holdout.csv"), target: diabetes }
          auc: { min: 0.85 }
          versusActive: { metric: auc, margin: 0.01 }
      - smoke: { rows: 100 }
      - load: { connections: 20, rate: 200, for: 10s, p95: 250ms }
      - approval: {}
      - { weight: 10, hold: 20s }
    bake: 20s
    onInconclusive: Hold
END
