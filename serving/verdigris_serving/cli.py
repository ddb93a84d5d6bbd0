"""``verdigris-model pack | inspect | verify | diff | card | serve | predict``: models on one's own machine.

Exit code 0: done. 1: refused or failed, with a sentence on standard error. 2: the command line is wrong.
"""

import sys
from collections.abc import Sequence

from verdigris_serving.artifact import cli as artifacts
from verdigris_serving.card import cli as cards
from verdigris_serving.laptop import predicting, serving


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return artifacts.main(arguments, more=(serving.add, predicting.add, cards.add))


if __name__ == "__main__":
    sys.exit(main())
