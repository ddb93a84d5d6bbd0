"""`python -m verdigris`: run the operator. Exit codes: 0 stopped as asked, 1 leadership or watches lost, 2 settings."""

from __future__ import annotations

import asyncio
import sys

from verdigris.adapters.kube.transport.connection import ConnectionFault, connect
from verdigris.app import logs
from verdigris.app.runtime import Runtime
from verdigris.app.settings import SettingsError, from_environment


def main() -> int:
    """Read the settings, connect, run until told to stop."""
    try:
        settings = from_environment()
        connection = connect()
    except (SettingsError, ConnectionFault) as fault:
        print(f"verdigris cannot start: {fault}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    return asyncio.run(Runtime(settings, connection).run())


if __name__ == "__main__":
    sys.exit(main())
