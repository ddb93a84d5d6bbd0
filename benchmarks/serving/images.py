"""How large the serving images are, read from the archives that `make images` has built of the current sources."""

from __future__ import annotations

from typing import Any

from dev.cluster.images import PROJECT_IMAGES, VARIANT_IMAGES, ProjectImage, inputs_hash, layer_sizes
from dev.cluster.settings import Settings

VARIANTS = {"default": "serving", "onnx": "serving-onnx", "sklearn": "serving-sklearn"}
_IMAGES = {image.name.rsplit("/", 1)[-1].partition(":")[0]: image for image in (*PROJECT_IMAGES, *VARIANT_IMAGES)}


def sizes(settings: Settings) -> tuple[dict[str, dict[str, float] | None], list[str]]:
    """By variant: unpacked MB (10^6 bytes) above the base and of the whole, or None; and why there are Nones."""
    found: dict[str, dict[str, float] | None] = {}
    sentences = []
    for variant, name in VARIANTS.items():
        found[variant] = _size(settings, _IMAGES[name])
        if found[variant] is None:
            sentences.append(f"The image {name} is not built of the current sources: `make images`, then this again.")
    return found, sentences


def _size(settings: Settings, image: ProjectImage) -> dict[str, Any] | None:
    short = image.name.rsplit("/", 1)[-1].replace(":", "-")
    archives = sorted(settings.image_archives.glob(f"{short}-*-{inputs_hash(image)}.tar"))
    if not archives:
        return None
    layers = layer_sizes(archives[-1])
    return {"above_base_mb": round(sum(layers[1:]) / 1e6, 1), "whole_mb": round(sum(layers) / 1e6, 1)}
