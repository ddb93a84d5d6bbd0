"""Reading what may have been written by a newer or an older operator: what can be understood is, the rest is named.

`ApiModel.parse` is for what has to be right as a whole; this is for what is stored already. A field that the models do
not know is left out and named; a value that they refuse is replaced by a stand-in, or left out, and named.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from verdigris.api.schema.fields import STORED, ApiModel, words_of
from verdigris.api.schema.nulls import Words

M = TypeVar("M", bound=ApiModel)
Path = tuple[str | int, ...]
_ABSENT: Any = object()
_MOST_REPAIRS = 200
"""More faults than this, and nothing of the object is trusted."""


@dataclass(frozen=True)
class Fault:
    """A value that cannot be read: where it is, and the sentence that says why."""

    path: Path
    message: str


@dataclass(frozen=True)
class Reading(Generic[M]):
    """What was understood, the paths that the model does not know, and the values that it refuses."""

    value: M
    unknown: tuple[Path, ...] = ()
    faults: tuple[Fault, ...] = ()


def read(
    model: type[M],
    raw: Mapping[str, Any],
    *,
    stand_in: Mapping[str, Any] | None = None,
    whole: Collection[Path] = (),
    stored: bool = True,
) -> Reading[M]:
    """The object as far as it can be understood.

    A refused value is replaced by what `stand_in` has in its place, else left out, so that its default counts; when
    that is refused too, so is what contains it. What is at a path in `whole` is taken or left as one.
    With `stored` rules that are younger than objects in the cluster do not count: no upgrade of the operator refuses
    what was accepted before.
    Raises ValidationError when nothing of this gives a valid object.
    """
    unknown: list[Path] = []
    known = _known(raw, words_of(model), (), unknown)
    repair = _Repair(model, known, stand_in or {}, whole, stored)
    return Reading(repair.done(), tuple(unknown), tuple(repair.faults))


def write_path(root: str, path: Path) -> str:
    """`spec.analysis.metrics[2].max`."""
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _known(value: Any, words: Words, path: Path, unknown: list[Path]) -> Any:
    """The value without nulls, and without members that there is no word for: their paths are added to `unknown`."""
    if isinstance(value, list):
        return [_known(item, words.items, (*path, place), unknown) for place, item in enumerate(value)]
    if not isinstance(value, Mapping) or not (words.members is not None or words.others):
        return value
    kept = {}
    for name, member in value.items():
        known = words.member(name)
        if known is None:
            unknown.append((*path, name))
        elif member is not None:
            kept[name] = _known(member, known, (*path, name), unknown)
    return kept


@functools.lru_cache(maxsize=256)
def _valid(model: type[M], text: str, stored: bool) -> M:
    """The object of this JSON, which is mostly the one that was read before. Raises ValidationError."""
    return model.model_validate_json(text, context=STORED if stored else None)


class _Repair(Generic[M]):
    """Tries, and takes out what is refused, until the rest is accepted."""

    def __init__(
        self, model: type[M], known: dict[str, Any], stand_in: Mapping[str, Any], whole: Collection[Path], stored: bool
    ) -> None:
        self._model = model
        self._known = known
        self._stand_in = stand_in
        self._whole = tuple(whole)
        self._stored = stored
        self._replaced: set[Path] = set()
        self.faults: list[Fault] = []

    def done(self) -> M:
        first: ValidationError | None = None
        for _ in range(_MOST_REPAIRS):
            try:
                valid: M = _valid(self._model, json.dumps(self._known), self._stored)
                return valid
            except ValidationError as error:
                if first is None:
                    first = error
                    # From here on it is changed, and what was given must not be.
                    self._known = copy.deepcopy(self._known)
                places = {self._place(fault): str(fault["msg"]) for fault in reversed(error.errors(include_url=False))}
                if () in places:
                    break
                # From the end, so that an item that is taken out of a list moves none that is still to be looked at.
                for place in sorted(places, key=_order, reverse=True):
                    self._mend(place, places[place])
        self.faults.append(Fault((), "nothing of it can be used"))
        try:
            instead: M = _valid(self._model, json.dumps(dict(self._stand_in)), self._stored)
            return instead
        except ValidationError as error:
            # What was wrong with the object itself helps; what is wrong with its replacement does not.
            raise first or error from None

    def _place(self, fault: Mapping[str, Any]) -> Path:
        """The deepest part of the object, as it is now, that the fault is about, or what is missing and can be had."""
        path: Path = ()
        for part in (*fault["loc"], *self._blamed(fault)):
            deeper = (*path, part)
            can_be_had = deeper not in self._replaced and _at(self._stand_in, deeper) is not _ABSENT
            if _at(self._known, deeper) is _ABSENT and not can_be_had:
                break
            path = deeper
        return next((path[: len(whole)] for whole in self._whole if path[: len(whole)] == whole), path)

    def _blamed(self, fault: Mapping[str, Any]) -> Path:
        """The member that a rule across fields blames (`Rule.field`), from the object that the rule belongs to."""
        said = str(fault["msg"]).removeprefix("Value error, ")
        field = next((rule.field for rule in self._model.rules if rule.message == said), None)
        return tuple(field.split(".")) if field and not fault["loc"] else ()

    def _mend(self, place: Path, message: str) -> None:
        """Put the stand-in there, once; else take it out. What then lacks it is the next to be blamed."""
        container: Any = _at(self._known, place[:-1])
        if _child(container, place[-1]) is _ABSENT and not isinstance(container, dict):
            return
        if not any(fault.path[: len(place)] == place for fault in self.faults):
            self.faults.insert(0, Fault(place, message.removeprefix("Value error, ").rstrip(".")))
        instead = _ABSENT if isinstance(container, list) else _at(self._stand_in, place)
        if instead is not _ABSENT and place not in self._replaced:
            self._replaced.add(place)
            container[place[-1]] = copy.deepcopy(instead)
        elif _child(container, place[-1]) is not _ABSENT:
            del container[place[-1]]


def _order(path: Path) -> tuple[tuple[bool, int, str], ...]:
    return tuple((isinstance(part, str), part if isinstance(part, int) else 0, str(part)) for part in path)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = _child(value, part)
    return value


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _ABSENT
