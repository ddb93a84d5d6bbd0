"""What all judges together want to know of Prometheus at one look. PURE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Color, EvidenceStatus, RevisionRef
from verdigris.children.names import Owner
from verdigris.core.facts.evidence import Question
from verdigris.core.judges.baseline import SLOT
from verdigris.core.judges.promql import Pods
from verdigris.core.judges.queries import active_queries, check_queries, refused

MOST_SAMPLES = 180
"""Of each counter; when there are more scrapes since the time asked about, it is asked in steps."""


def ask(
    address: str,
    owner: Owner,
    policy: AnalysisSpec,
    since: Mapping[Color, datetime],
    *,
    candidate: RevisionRef,
    active: RevisionRef,
    evidence: EvidenceStatus,
    scrape: timedelta,
    now: datetime,
    fronts: Color | None = None,
    shadowed: bool = False,
    matchers: Mapping[str, str] | None = None,
    isolated: bool = False,
) -> Question:
    """The question about a candidate and, when its colour is in `since`, about the active version.

    `since` goes by the operator's clock, unless it is when the evidence was sealed. `fronts` is the colour whose pods
    pass requests on to the candidate, `shadowed` whether copies. `matchers` are the operator's
    own; the policy's come on top. `isolated`: queries of users must keep to their namespace, or are refused.
    """
    ahead = timedelta(seconds=evidence.clock_ahead)
    there = {color: at if at == evidence.sealed_at else at + ahead for color, at in since.items()}
    extra = {**(matchers or {}), **policy.prometheus.matchers}
    refusals = refused(policy, isolated)

    def pods(ref: RevisionRef) -> Pods:
        return Pods(owner.namespace, owner.name, ref.color, ref.revision, owner.uid, extra)

    checks = check_queries(policy, pods(candidate), candidate.version, scrape)
    if active.color in since:
        checks |= active_queries(policy, pods(active), active.version, scrape)
    return Question(
        address=address,
        namespace=owner.namespace,
        model=owner.name,
        since=there,
        revisions={candidate.color: candidate.revision, active.color: active.revision},
        checks={name: query for name, query in checks.items() if name.rpartition("/")[2] not in refusals},
        refused=refusals,
        steps={color: step for color, at in there.items() if (step := step_for(now + ahead - at, scrape))},
        fronts=fronts,
        shadowed=shadowed,
        uid=owner.uid,
        matchers=extra,
        every=parse_duration(policy.interval),
    )


def step_for(window: timedelta, scrape: timedelta) -> timedelta | None:
    """How far apart the samples may be, so that there are few enough of them; None: as they were scraped."""
    if window <= MOST_SAMPLES * scrape:
        return None
    return timedelta(seconds=max(SLOT, math.ceil(window.total_seconds() / MOST_SAMPLES)))
