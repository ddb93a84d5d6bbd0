"""Texts that are built to differ: what a row may hold for a feature that is a text without categories.

Rows are made of numbers (``making``), so each such feature stands there for a choice among a pool of texts, and a
number for the place of one in it.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from verdigris_serving.model.schema import Feature, Row, is_free_text

#: Given texts that the pool is made of, and characters of its longest.
_OWN, _LONG = 64, 20_000
#: Characters in all the texts of the made rows: a second or two of a vectorizer's time, more of one by letters.
_MOST_CHARACTERS = 1_000_000
#: Nothing, no word, one letter, numbers, what lower case or an accent makes of letters, scripts without spaces or
#: cases, from right to left, composed of several characters, not seen, with marks, and words that no training had.
_ODD = (
    "",
    " ",
    "\n\t ",
    "?!… —",
    "a",
    "I",
    "42 3.14 1e9",
    "\x00",
    "ÄÖÜ ß ẞ straße STRASSE",
    "İstanbul ıI Σίσυφος ΣΊΣΥΦΟΣ",
    "ﬁne ﬂow ½ ²",
    "e\u0301le\u0300ve élève",
    "日本語の文章です。",
    "שלום עולם",
    "👩‍⚕️ 🙂🙂 🏳️‍🌈",
    "\u200bzero\u200bwidth\ufeff soft\u00adhyphen no\u00a0break",
    "under_score dash-ed it's O'Neil",
    "<b>html</b> &amp; https://example.org/a?b=c#d me@example.org",
    "zqxvk jkwqp",
    "zqxvk " * 50,
)


class Pools:
    """``features`` with the pool of each free text as its categories; ``places`` are those of them."""

    def __init__(self, features: Sequence[Feature], rows: Sequence[Row], seed: int) -> None:
        self.places = [place for place, feature in enumerate(features) if is_free_text(feature)]
        source = np.random.default_rng(seed)
        self._pools = {place: _pool([row[place] for row in rows], source) for place in self.places}
        self.features = [
            msgspec.structs.replace(feature, categories=list(self._pools[place])) if place in self._pools else feature
            for place, feature in enumerate(features)
        ]

    @property
    def most_rows(self) -> int:
        """As many rows as may be made of texts so long."""
        usual = sum(sum(map(len, pool)) / len(pool) for pool in self._pools.values())
        return int(_MOST_CHARACTERS / max(1.0, usual))

    def coded(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with places for texts; a text that is not in the pool is some other one."""
        known = {place: {text: float(n) for n, text in enumerate(pool)} for place, pool in self._pools.items()}
        return [
            [known[place].get(value, 0.0) if isinstance(value, str) else value for place, value in enumerate(row)]
            for row in rows
        ]

    def decoded(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with texts for places."""
        return [
            [
                self._pools[place][int(value)] if place in self._pools and isinstance(value, float) else value
                for place, value in enumerate(row)
            ]
            for row in rows
        ]


def _pool(given: Sequence[Any], source: Any) -> list[str]:
    """Different texts, made of the ``given`` ones and of none."""
    own = list(dict.fromkeys(text for text in given if isinstance(text, str)))
    if len(own) > _OWN:
        own = [own[n] for n in np.sort(source.choice(len(own), _OWN, replace=False))]
    words = [word for text in own for word in text.split()[:50]] or ["word"]
    long = (" ".join(own) + " ") * (1 + _LONG // (1 + sum(map(len, own))))
    pool = [*own, *_ODD, long[:_LONG], "x" * _LONG]
    for text in own:
        mixed = source.permutation(text.split()).tolist()
        other, word = own[source.integers(len(own))], words[source.integers(len(words))]
        pool += [text.upper(), text.lower(), text.title(), text.swapcase(), unicodedata.normalize("NFD", text)]
        pool += [" ".join(mixed), f"{text} {other}", f"{text} zqxvk", f"{text}{text}", text[: len(text) // 2]]
        pool += [word, word.upper(), f"{word} {word} {word}", f"({word}),{other}"]
    return list(dict.fromkeys(pool))
