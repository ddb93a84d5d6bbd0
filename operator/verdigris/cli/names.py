"""Names in the cluster that the command line has to know. They are the operator's: a test holds them together."""

from __future__ import annotations

GROUP = "verdigris.dev"
API_VERSION = f"{GROUP}/v1alpha1"
MODELS = f"modeldeployments.{GROUP}"
DECISIONS = f"rolloutdecisions.{GROUP}"
MODEL_LABEL = f"{GROUP}/model"
COLOR_LABEL = f"{GROUP}/color"
REVISION_LABEL = f"{GROUP}/revision"
COLORS = ("blue", "green")
DECIDING = ("approve", "promote", "abort", "retry", "rollback")
SERVER_CONTAINER = "server"
OPERATOR_LABELS = "app.kubernetes.io/name=verdigris,app.kubernetes.io/component=operator"
