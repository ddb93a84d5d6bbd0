"""What cannot be judged as it was asked: not a verdict on the model, and the same every time."""


class Refusal(Exception):
    """``reason`` is one word for a condition, ``message`` says what is wrong, where, and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NotNow(Refusal):
    """The same for what may pass by itself: asking again later is worth it."""
