"""The HTTPRoute by which clients of a gateway come, as it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verdigris.api.status import Color, Failure

HTTP_ROUTE = "HTTPRoute"

Weights = Mapping[Color, int]
"""Of how many parts each colour gets how many."""


def percent(weights: Weights, color: Color) -> float:
    """The share of this colour; 0 where nobody gets any."""
    whole = sum(weights.values())
    return 100 * weights.get(color, 0) / whole if whole else 0.0


@dataclass(frozen=True)
class RouteView:
    """What the route says, and what the gateways say about it.

    `rules` are the weights in each rule that shares clients between the colours; `testers` those of the rule for
    testers, of a route of ours. `own`: the operator made it.

    `accepted`: a gateway serves it. `refused` is what one says against it, in a sentence. `lags`: one has not looked at
    the route since it was last changed, as far as it tells.
    """

    name: str
    own: bool
    rules: tuple[Weights, ...]
    testers: Weights | None = None
    accepted: bool = False
    refused: str = ""
    lags: bool = False

    def share(self, color: Color) -> float:
        """Percent of the requests that reach this colour, by the rule that gives it most."""
        return max((percent(weights, color) for weights in self.rules), default=0.0)

    def reaches(self, color: Color) -> bool:
        """Whether any client gets there."""
        rules = self.rules if self.testers is None else (*self.rules, self.testers)
        return any(weights.get(color, 0) > 0 for weights in rules)


@dataclass(frozen=True)
class Routing:
    """What was seen of routes. `route` is the one that the spec asks for, None where there is none, or it is useless.

    `fault` is why it is useless, until a person does something about it. `left`: a route of ours that the spec does not
    ask for any more is still there.
    """

    route: RouteView | None = None
    fault: Failure | None = None
    left: bool = False
