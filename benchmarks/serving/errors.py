"""The one way in which the benchmark fails."""


class BenchError(Exception):
    """The benchmark cannot go on; the text says what is wrong, where, and what to do."""
