"""What a pod of the active colour is told about the version on trial: one JSON object, by a file of the downward API.

The file shows an annotation of the pod, so who may annotate pods decides, and nothing listens for it.
"""

import logging
from pathlib import Path
from typing import Annotated

import msgspec

from verdigris_serving.http.shown import shown

_log = logging.getLogger("verdigris.shield")
#: A share is a whole number of these: 0.01 %.
WHOLE = 10_000
#: Bytes of the file that are read: an order has some hundred.
_MOST = 16 * 1024

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
_Version = Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^[!-~]+\Z")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Testers(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """Requests that always go to the version on trial: those whose ``header`` has this ``value``."""

    header: _Name
    value: _Text


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """To whom which share of the requests is passed on. What it does not know of is left aside: it may be newer.

    ``share`` in hundredths of a percent; ``within`` seconds after which the active version answers itself; ``unit`` the
    header by whose value a request always meets the same version (empty: by chance); ``salt`` what the units are
    hashed with: the same in all pods and steps of a rollout. ``shadow``, in hundredths of a percent as well: the share
    of what is not passed on whose answers are compared. ``schema_change``: the version on trial is meant to take other
    requests, so what it turns away is no fault of it. ``version`` is what it is called in answers that do not say so.
    """

    host: _Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    revision: _Text
    share: Annotated[int, msgspec.Meta(ge=0, le=WHOLE)]
    within: Annotated[float, msgspec.Meta(gt=0, le=60)]
    unit: _Name | None = None
    salt: str = ""
    testers: Testers | None = None
    shadow: Annotated[int, msgspec.Meta(ge=0, le=WHOLE)] = 0
    schema_change: bool = False
    version: _Version | None = None


class Orders:
    """The order that is in force: ask ``current``; ``look`` often. An unreadable order is none, and is said once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = b""
        self.current: Order | None = None
        self.look()

    def look(self) -> bool:
        """Read the file once; True when the order is another than before. No file, or an empty one: no order."""
        text = shown(self._file, _MOST) or b""
        if text == self._text:
            return False
        before, self._text, self.current = self.current, text, _order(text)
        return self.current != before


def _order(text: bytes) -> Order | None:
    if not text:
        _log.info("no version is on trial behind this one")
        return None
    try:
        order = msgspec.json.decode(text, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _log.error("the annotation verdigris.dev/shield cannot be read, and nothing is passed on: %s", error)
        return None
    fields = {"revision": order.revision, "share": order.share / WHOLE, "shadow": order.shadow / WHOLE}
    _log.info("a share of the requests goes to the version on trial", extra={"fields": fields})
    return order
