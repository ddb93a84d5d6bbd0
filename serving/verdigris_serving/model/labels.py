"""Which class a label is, as data spells it."""

from verdigris_serving.model.schema import InvalidModel, Label, Manifest


def position_of(manifest: Manifest, label: Label | float) -> int:
    """The label's place among the model's classes. Raises InvalidModel."""
    for position, candidate in enumerate(manifest.classes):
        if _is(label, candidate):
            return position
    known = ", ".join(map(str, manifest.classes))
    raise InvalidModel(f"the holdout has a label that is no class of the model; its classes are {known}")


def _is(label: Label | float, known: Label) -> bool:
    """Arrays hold the class itself; text spells it, maybe as the number 1.0."""
    if label == known or str(label) == str(known):
        return True
    try:
        return not isinstance(known, str) and float(label) == known
    except ValueError:
        return False
