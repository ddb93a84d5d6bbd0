"""What another environment says about the bytes of the version."""

from __future__ import annotations

from pydantic import Field

from verdigris.api.schema.fields import StatusModel, Text, Time
from verdigris.api.status.words import Reason, Verdict, Version


class SourceStatus(StatusModel):
    """A step `from`: what was last seen of the ModelDeployment that is to have served the same bytes.

    It has no verdict while they serve there and their time is not over.
    """

    verdict: Verdict | None = None
    reason: Reason = ""
    message: Text = ""
    version: Version = Field(default="", description="The version that is active there.")
    since: Time | None = Field(default=None, description="Since when the same bytes have been healthy there.")
