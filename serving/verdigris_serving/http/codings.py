"""Content codings of bodies, gzip and deflate, both ways. What a body unpacks to has the same limit as a body."""

import io
import zlib

from verdigris_serving.http.limits import SMALLER

#: What is understood and offered, best first.
CODINGS = (b"gzip", b"deflate")
#: The value of ``Accept-Encoding`` that says so.
OFFER = b", ".join(CODINGS)
#: Answers smaller than this (bytes) fit one packet as they are.
SMALLEST = 1024
#: Packing an answer must not take longer than computing it.
_LEVEL = 1
#: Other names of them (RFC 9110, 8.4.1.3).
_ALIASES = {b"x-gzip": b"gzip"}
_MEMBER = b"\x1f\x8b"
#: Bytes unpacked at a time: of each piece, what stands behind the end of a member is copied.
_PIECE = 4096
_WINDOW = {b"gzip": zlib.MAX_WBITS + 16, b"deflate": zlib.MAX_WBITS, b"raw": -zlib.MAX_WBITS}


class Unreadable(Exception):
    """A body cannot be unpacked: the status to answer and the sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def unpacked(body: bytes, coding: bytes, limit: int) -> bytes:
    """``body`` without its coding, at most ``limit`` bytes: no more is ever unpacked. Raises Unreadable."""
    name = _name(coding)
    if name in {b"", b"identity"}:
        return body
    if name not in CODINGS:
        raise Unreadable(415, "the body's Content-Encoding is none that is understood; there are gzip and deflate")
    said = name.decode()
    if name == b"deflate" and not _has_zlib_header(body):
        name = b"raw"  # what some clients send under this name
    out = io.BytesIO()
    try:
        end = _unpack(body, 0, _WINDOW[name], limit, out)
        # Files of gzip may be written one behind the other, and are one file then (RFC 1952).
        while name == b"gzip" and body.startswith(_MEMBER, end):
            end = _unpack(body, end, _WINDOW[name], limit, out)
    except zlib.error as error:
        raise Unreadable(400, f"the body is not {said}, which its Content-Encoding says it is") from error
    except EOFError as error:
        raise Unreadable(400, f"the body breaks off before its {said} coding ends") from error
    if end < len(body):
        raise Unreadable(400, f"{len(body) - end} bytes stand behind the end of the body's {said} coding")
    return out.getvalue()


def _name(coding: bytes) -> bytes:
    name = coding.strip().lower()
    return _ALIASES.get(name, name)


def _unpack(body: bytes, start: int, window: int, limit: int, out: io.BytesIO) -> int:
    """Adds what one stream unpacks to to ``out``, and says where it ends. Raises Unreadable, zlib.error, EOFError."""
    unpacking = zlib.decompressobj(window)
    while not unpacking.eof:
        piece = body[start : start + _PIECE]
        if not piece:
            raise EOFError
        out.write(unpacking.decompress(piece, limit + 1 - out.tell()))
        if out.tell() > limit:
            raise Unreadable(413, f"the body unpacks to more than {limit} bytes; {SMALLER}")
        start += len(piece) - len(unpacking.unused_data)
    return start


def _has_zlib_header(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def acceptable(accepted: bytes) -> bytes | None:
    """The coding to answer in, by the value of ``Accept-Encoding``; None: as it is."""
    weights = _weights(accepted)
    rest = weights.get(b"*", 0.0)
    best = max(CODINGS, key=lambda name: weights.get(name, rest))  # the first of equals
    return best if weights.get(best, rest) > 0 else None


def is_acceptable(coding: bytes, accepted: bytes) -> bool:
    """Whether who sends ``accepted`` as ``Accept-Encoding`` reads a body of this ``Content-Encoding``, or of several.

    Who sends nothing gets a body as it is: this server packs none for them either.
    """
    weights = _weights(accepted)
    names = map(_name, coding.split(b","))
    return all(name in {b"", b"identity"} or weights.get(name, weights.get(b"*", 0.0)) > 0 for name in names)


def _weights(accepted: bytes) -> dict[bytes, float]:
    return dict(_weight(item) for item in accepted.lower().split(b","))


def _weight(item: bytes) -> tuple[bytes, float]:
    name, _, parameter = item.partition(b";")
    key, _, value = parameter.partition(b"=")
    try:
        return _name(name), float(value) if key.strip() == b"q" else 1.0
    except ValueError:
        return _name(name), 0.0


def packed(body: bytes, coding: bytes) -> bytes:
    """``body`` in one of CODINGS."""
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW[coding])
    return packing.compress(body) + packing.flush()
