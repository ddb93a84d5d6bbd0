"""The init step: fetches nothing and ends well, unless FAULT says otherwise."""

import os
import signal
import sys


def main() -> int:
    """The exit code."""
    match os.environ.get("FAULT"):
        case "fetch-exits":
            print("the bucket of models has been renamed", file=sys.stderr)
            return 3
        case "fetch-hangs":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
