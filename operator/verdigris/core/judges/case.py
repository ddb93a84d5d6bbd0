"""What a ruling may look at, and what it is. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import EvidenceStatus, Verdict
from verdigris.core.facts.evidence import Reading, Series

Ruling = tuple[Verdict, str, str]
"""Verdict, reason, and the sentence for a person."""


@dataclass(frozen=True)
class Case:
    """The evidence on one candidate.

    `series` has each of its counters once, of its own pods only. `since_sample` is how long ago the newest of them
    was scraped, None before the watch began. `unseen` are pods of the candidate that ought to have been scraped by now
    and were not. `subject` is what sentences call the candidate.
    """

    state: EvidenceStatus
    series: tuple[Series, ...]
    readings: Mapping[str, Reading]
    subject: str
    policy: AnalysisSpec
    scrape: timedelta
    since_sample: timedelta | None
    unseen: tuple[str, ...] = ()
