"""What the version on trial got wrong, in its own words, in the log of the version that stands behind it.

Its pods have ended by the time that somebody looks; those that saw its answers have not.
"""

import logging
import time

import msgspec

from verdigris_serving.http.messages import VERSION, Response
from verdigris_serving.http.shield.outcomes import Outcome
from verdigris_serving.logs import Sparse

#: Characters of its words, and bytes of an answer that is looked at for them.
MOST_WORDS, MOST_LOOKED_AT = 300, 64 * 1024
_INPUT = 'input "'
_log = logging.getLogger("verdigris.shield")


class _Error(msgspec.Struct):
    error: str


class Faults:
    """The log's lines about one revision: one a second at most."""

    def __init__(self, revision: str) -> None:
        self._revision = revision
        self._sparse = Sparse()

    def note(self, outcome: Outcome, response: Response | None) -> None:
        """Perhaps write how one request went wrong; ``response`` is its answer, where there was one."""
        held = self._sparse.allow(time.monotonic())
        if held is None:
            return
        fields: dict[str, object] = {"revision": self._revision, "outcome": outcome.value}
        if response is not None:
            fields |= {"status": response.status, "said": words(response)}
        _log.warning("the version on trial failed a request", extra={"fields": {**fields, "not_logged_before": held}})


def words(response: Response) -> str:
    """The sentence of an error of this server's; empty for any other's, which might repeat a patient's value.

    Names of features are those of the two models, as the version in front took them. An input that is no feature may
    have any name, so it is left out.
    """
    if VERSION + b": " not in response.fields or len(response.body) > MOST_LOOKED_AT:
        return ""
    try:
        said = msgspec.json.decode(response.body, type=_Error).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if said.startswith(_INPUT):
        said = "an input: " + said.rpartition('": ')[2]
    return said[:MOST_WORDS]
