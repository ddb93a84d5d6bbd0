"""Numbers in environment variables, and the one that the command line reads, too."""

from collections.abc import Mapping

from verdigris_serving.reasons import Reason, ServingError


def number(env: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    """The number in a variable, ``default`` where it is not set. Raises ServingError (SettingsInvalid) naming it."""
    text = env.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ServingError(Reason.SETTINGS_INVALID, f'{name} is "{text}"; it must be a number from {low} to {high}')
    return value


def max_bytes(env: Mapping[str, str], default: int) -> int:
    """The size of the largest artifact, in bytes. Raises ServingError (SettingsInvalid)."""
    return int(number(env, "VERDIGRIS_MAX_BYTES", default, low=1, high=2**40))
