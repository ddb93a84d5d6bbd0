"""Requests and limits of a container."""

from __future__ import annotations

import re

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.schema.quantity import amount_of
from verdigris.api.schema.values import PlainResourceList, ResourceList

# Named, because API servers before 1.34 find a comparison of six quantities of unknown length too dear.
_COMPARED = ("cpu", "memory", "ephemeral-storage")


def _is_within_its_limit(resources: ResourceRequirements | StatedResources, name: str) -> bool:
    wanted, limit = resources.requests.get(name), resources.limits.get(name)
    return wanted is None or limit is None or amount_of(wanted) <= amount_of(limit)


_WHOLE = re.compile("[0-9]+([kMGTP]i?)?")


def _is_whole(amount: int | str) -> bool:
    return isinstance(amount, int) or _WHOLE.fullmatch(amount) is not None


class ResourceRequirements(ApiModel):
    """Requests and limits of the serving container."""

    rules = (
        Rule(
            f"{list(_COMPARED)}.all(name, !(name in self.requests) || !(name in self.limits) || "
            "!isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name])) || "
            "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            "a request must not be above the limit of the same name (limits.memory is 192Mi when you give no limits): "
            "raise the limit or lower the request",
            lambda resources: all(_is_within_its_limit(resources, name) for name in _COMPARED),
            field="requests",
        ),
        Rule(
            "self.requests.all(name, !name.contains('/') || (name in self.limits && "
            "self.requests[name] == self.limits[name]))",
            "a device such as example.com/gpu cannot be shared: give it the same limit, written in the same way",
            lambda resources: all(
                resources.limits.get(name) == wanted for name, wanted in resources.requests.items() if "/" in name
            ),
            field="limits",
        ),
        Rule(
            "self.limits.all(name, !name.contains('/') || type(self.limits[name]) == int || "
            "self.limits[name].matches('^[0-9]+([kMGTP]i?)?$'))",
            "a device such as example.com/gpu is counted in whole ones: write a number without a fraction",
            lambda resources: all(_is_whole(amount) for name, amount in resources.limits.items() if "/" in name),
            field="limits",
        ),
    )
    requests: ResourceList = {"cpu": "100m", "memory": "64Mi"}
    limits: ResourceList = {"memory": "192Mi"}


class StatedResources(ApiModel):
    """Requests and limits that have no defaults, as text."""

    rules = (
        Rule(
            "self.requests.all(name, !(name in self.limits) || !isQuantity(self.requests[name]) || "
            "!isQuantity(self.limits[name]) || "
            "quantity(self.requests[name]).compareTo(quantity(self.limits[name])) <= 0)",
            "a request must not be above the limit of the same name: raise the limit or lower the request",
            lambda resources: all(_is_within_its_limit(resources, name) for name in resources.requests),
            field="requests",
        ),
    )
    requests: PlainResourceList
    limits: PlainResourceList
