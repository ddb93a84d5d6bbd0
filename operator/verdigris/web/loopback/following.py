"""Keeps the store up to date by `kubectl get --watch`, or where that is not allowed by asking again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Asked, Kubectl
from verdigris.cli.model.reading import parts
from verdigris.cli.watching import Anew, Away, Change, Ended, News, Watches
from verdigris.web.store import Store

AGAIN = 5.0
"""Seconds between two lists where there is no watch."""


class Follower:
    """`listed` and `watched` are the same models, once and for ever."""

    def __init__(
        self,
        kubectl: Kubectl,
        store: Store,
        listed: Asked,
        watched: Asked,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._kubectl = kubectl
        self._store = store
        self._listed = listed
        self._pause = pause
        self._watches = Watches(kubectl, {"models": watched})

    def relist(self) -> None:
        """What there is now. Raises CliError."""
        self._store.replace(parts(self._kubectl.document(self._listed), "items"))

    def start(self) -> None:
        """Follow from now on, in a thread that ends with the process."""
        threading.Thread(target=self.follow, daemon=True).start()

    def stop(self) -> None:
        """Leave no kubectl behind."""
        self._watches.end()

    def follow(self) -> None:
        """For ever."""
        with self._watches as watches:
            while self._take(watches.next(60.0)):
                pass
        while True:
            self._again()
            self._pause(AGAIN)

    def _take(self, news: list[News]) -> bool:
        """Whether the watch goes on."""
        for one in news:
            if isinstance(one, Change):
                (self._store.drop if one.type == "DELETED" else self._store.put)(one.object)
            elif isinstance(one, Anew):
                # What was deleted while nobody watched is told by nobody.
                self._again()
            elif isinstance(one, Away):
                self._store.lost(str(one.error))
            elif isinstance(one, Ended):
                return False
        return True

    def _again(self) -> None:
        try:
            self.relist()
        except CliError as error:
            self._store.lost(str(error))
