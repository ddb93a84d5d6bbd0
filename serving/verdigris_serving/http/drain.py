"""When clients are told to go elsewhere: by the traffic file, or because the process is about to stop.

``off``: every answer carries ``Connection: close``, so a keep-alive client's next request finds its way through the
Service to a colour that has traffic. ``trial``, or an empty file: the version is not trusted yet, so no connection is
kept longer than a moment; if the version turns out bad, its clients are gone at once, however long the kubelet takes
to show us the next word. ``on``, or no file at all: connections are kept.

Everything is still answered, always. Idle connections are left alone: closing one could race with
a request and lose it.
"""

import logging
from pathlib import Path

from verdigris_serving.http.shown import shown

_log = logging.getLogger("verdigris.drain")
#: Seconds for which a connection is kept while the version is on trial.
TRIAL_AGE = 1.0

#: Bytes of the file that are read.
_MOST = 64

_KEPT_FOR = {b"off": 0.0, b"trial": TRIAL_AGE, b"": TRIAL_AGE}


class Drain:
    """For how long connections are kept: ask ``closes``; ``look`` often, and call ``stop`` at shutdown."""

    def __init__(self, traffic_file: Path) -> None:
        self._file = traffic_file
        self._word = b"on"
        self._stopping = False
        self._kept_for = float("inf")
        self.look()

    def closes(self, age: float) -> bool:
        """Whether the answer on a connection of this age, in seconds, says ``Connection: close``."""
        return age >= self._kept_for

    def look(self) -> None:
        """Read the traffic file once. A missing or unreadable file means that traffic is on."""
        found = shown(self._file, _MOST)
        word = b"on" if found is None else found
        if word != self._word:
            _log.info("traffic is %s", (word or b"trial").decode(errors="replace"))
        self._word = word
        self._kept_for = 0.0 if self._stopping else _KEPT_FOR.get(word, float("inf"))

    def stop(self) -> None:
        """From now on every answer closes, whatever the file says."""
        self._stopping = True
        self._kept_for = 0.0
