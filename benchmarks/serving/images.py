"""How large the serving images are, read from the archives that `make images` has built of the current sources."""

from __future__ import annotations

from typing import Any

from dev.cluster.images import PROJECT_IMAGES, ProjectImage, inputs_hash, layer_sizes
from dev.cluster.settings import Settings

VARIANTS = {"default": "serving", "onnx": "serving-onnx", "sklearn": "serving-sklearn"}


def sizes(settings: Settings) -> tuple[dict[str, dict[str, float] | None], list[str]]:
    """By variant: unpacked MB (10^6 bytes) above the base and of the whole, or None; and why there are Nones."""
    found: dict[str, dict[str, float] | None] = {}
    sentences = []
    for variant, name in VARIANTS.items():
        image = next((each for each in PROJECT_IMAGES if _repository(each) == name), None)
        found[variant] = _size(settings, image) if image else None
        if image is None:
            sentences.append(f"There is no image {name}, so its size is not in the report.")
        elif found[variant] is None:
            sentences.append(f"The image {name} is not built of the current sources: `make images`, then this again.")
    return found, sentences


def _repository(image: ProjectImage) -> str:
    return image.name.rsplit("/", 1)[-1].partition(":")[0]


def _size(settings: Settings, image: ProjectImage) -> dict[str, Any] | None:
    short = image.name.rsplit("/", 1)[-1].replace(":", "-")
    archives = sorted(settings.image_archives.glob(f"{short}-*-{inputs_hash(image)}.tar"))
    if not archives:
        return None
    layers = layer_sizes(archives[-1])
    return {"above_base_mb": round(sum(layers[1:]) / 1e6, 1), "whole_mb": round(sum(layers) / 1e6, 1)}
