"""Ways around the laws that gates could open: each was one."""

from __future__ import annotations

import pytest

from tests.rollout.small import stage, until
from tests.rollout.test_gates import FAIRNESS, answers, gated


@pytest.mark.parametrize("label", ["--5", "-", "²", "+1", ""])
def test_a_label_that_is_hardly_a_number_stops_no_rollout(label: str) -> None:
    asked = {"fairness": {**FAIRNESS["fairness"], "favourable": label}}
    until(gated(asked, judge=answers("Pass")), stage("Measuring"))
