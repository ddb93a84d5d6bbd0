"""`python -m verdigris.cli`, and what the zipapp runs."""

from __future__ import annotations

import sys

from verdigris.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
