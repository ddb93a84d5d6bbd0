"""A real Chromium, driven by Selenium, and axe-core in it. Where one of them is missing, a sentence says so."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from dev.cluster.settings import from_environment

PROGRAMS = ("chromium", "chromedriver")
AXE = "axe-core-4.14.1"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
"""It asks nobody for anything but our page."""


def why_not() -> str:
    """Why there is no browser; empty where there is one."""
    missing = [one for one in PROGRAMS if shutil.which(one) is None]
    return f"there is no {' and no '.join(missing)}: apt-get install chromium chromium-driver" if missing else ""


@contextmanager
def browser(profile: Path, *, scripts: bool = True) -> Iterator[Any]:
    """A window of its own. `scripts`: whether pages may run any."""
    options = Options()
    options.binary_location = shutil.which(PROGRAMS[0]) or ""
    for one in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(one)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which(PROGRAMS[1])))
    try:
        resize(driver, 1280, 900)
        yield driver
    finally:
        driver.quit()


def prefer(driver: Any, *, dark: bool) -> None:
    """What the system would prefer."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def resize(driver: Any, width: int, height: int) -> None:
    """The page's own width: a window has a least one, which is more than that of a telephone."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def asked(driver: Any) -> list[str]:
    """Every address that pages of this window have asked for since the last call."""
    messages = (json.loads(one["message"])["message"] for one in driver.get_log("performance"))
    found = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    # The browser's own pages are chrome://.
    return [one for one in found if one.startswith(("http:", "https:", "ws:", "wss:"))]


def axe() -> str:
    """axe-core's source: from npm, once, into the cache. Skips the test where it cannot be had."""
    folder = from_environment().cache / AXE
    file = folder / "axe.min.js"
    if not file.exists():
        if shutil.which("npm") is None:
            pytest.skip("there is no npm, by which axe-core comes")
        folder.mkdir(parents=True, exist_ok=True)
        name = AXE.replace("core-", "core@")
        done = subprocess.run(["npm", "pack", name], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm has no {name}: {done.stderr.strip().splitlines()[-1:]}")
        with tarfile.open(folder / f"{AXE}.tgz") as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            file.write_bytes(member.read())
    source = file.read_bytes()
    assert hashlib.sha256(source).hexdigest() == AXE_SHA256, f"{file} is another than it was: remove it"
    return source.decode()
