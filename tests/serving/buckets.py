"""Credentials for buckets, valid nowhere."""

import os

import pytest

from verdigris_serving.fetching.stream import Limits

SECRET = "never-to-be-seen"
KEYS = {"AWS_ACCESS_KEY_ID": "clinic", "AWS_SECRET_ACCESS_KEY": SECRET}
AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "clinic", "AZURE_STORAGE_SAS_TOKEN": f"sv=2024-01-01&sig={SECRET}"}
GOOGLE = {"GOOGLE_BEARER_TOKEN": SECRET}
#: A cold client needs more than the milliseconds that the other tests grant.
PATIENT = Limits(deadline=20.0, stall=5.0, max_bytes=20_000_000)


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set those of this file, and none of the machine's."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)
    for name, value in (KEYS | AZURE | GOOGLE).items():
        monkeypatch.setenv(name, value)
