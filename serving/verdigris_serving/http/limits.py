"""How much of anything one client may use. Plain numbers in one place; the tests serve with smaller ones."""

from dataclasses import dataclass

#: The largest body unless another is asked for (bytes): some 40,000 rows of eight features.
BODY = 8 * 1024 * 1024
#: What to do about a body that is too large.
SMALLER = "send the rows in several requests or in binary, or raise spec.serving.maxBodyMiB (VERDIGRIS_MAX_BODY_MIB)"


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    #: Request line and header fields together.
    head: int = 16 * 1024
    #: Header fields, trailers included.
    fields: int = 100
    #: Body of one request, and what it unpacks to.
    body: int = BODY
    #: All bodies that are arriving or waiting to be computed, of all connections together.
    bodies: int = 128 * 1024 * 1024
    #: How much more is read and dropped after a refusal, so that the caller gets to see the answer and no reset.
    dropped: int = 64 * 1024 * 1024
    #: Connections beyond this many are answered once each and not kept.
    connections: int = 10_000

    #: Small requests that may stand in line.
    line: int = 2_048

    #: For inferences each time round the event loop; a probe waits for two or three rounds.
    turn: float = 0.05
    #: For standing in line: who would have to wait for longer is turned away at once. (Who has waited for twice as
    #: long because the guess was wrong has most likely given up, and is turned away then.)
    wait: float = 1.0
    #: From a request's first byte to the end of its head.
    head_deadline: float = 10.0
    #: From the end of the head to the end of the body.
    body_deadline: float = 30.0
    #: For a client to take in what it is sent.
    write_deadline: float = 30.0
    #: For a client to close after an answer that said so.
    linger: float = 2.0
    #: An idle connection is kept longer than any common client's pool keeps it, so that the client closes.
    idle: float = 620.0

    @classmethod
    def for_bodies_of(cls, size: int) -> "Limits":
        """The usual limits with bodies of up to ``size`` bytes, of which always two may be under way."""
        return cls(body=size, bodies=max(cls.bodies, 2 * size))
