"""From bytes to whole answers of the version on trial: HTTP/1.1 by llhttp (httptools). Knows nothing of sockets."""

import httptools

#: Bytes and fields of an answer's head. Clients have limits, too: Python's own takes 100 fields of 64 KiB each.
MOST_HEAD, MOST_FIELDS = 16 * 1024, 64
#: Bytes around a body (head, sizes of chunks, trailers), beside one for this many of its own: some 50 a chunk. What is
#: cut smaller costs the event loop seconds, and all clients of the pod with it.
MOST_AROUND, BODY_FOR_ONE = 64 * 1024, 8


class AnswerParser:
    """One connection's answers, of at most ``most_bytes`` each, with all that is around the body.

    Of the answer that is awaited: ``size`` is how many bytes have come, ``malformed`` whether it cannot be read any
    more, ``whole`` whether it has ended, and then ``stays`` whether the connection may be used again.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._parser = httptools.HttpResponseParser(self)
        self.await_another()

    def await_another(self) -> None:
        """Let go of the last one: what comes from here on is the next."""
        self.size = 0
        self.malformed = self.whole = self.stays = False
        self._in_head = True
        self._head_size = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    def drop(self) -> None:
        """Let go of everything, for good: it and llhttp know each other, and a half answer would stay until the
        garbage collector comes, which counts objects, not bytes."""
        self.await_another()
        del self._parser

    def feed(self, data: bytes) -> None:
        """Some bytes of the answer."""
        self.size += len(data)
        if self.size > self._most_bytes:
            self.malformed = True
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.malformed = True
        # A field that has no end yet is not in the head's size.
        around = self.size - len(self._body)
        if around > (MOST_HEAD if self._in_head else MOST_AROUND + len(self._body) // BODY_FOR_ONE):
            self.malformed = True

    @property
    def status(self) -> int:
        """Of a whole answer."""
        return int(self._parser.get_status_code())

    @property
    def body(self) -> bytes:
        """Of a whole answer."""
        return bytes(self._body)

    # What llhttp calls, in the order of an answer.

    def on_message_begin(self) -> None:
        """An answer's first byte. After a whole one it is another that nobody has asked for."""
        self.malformed = self.malformed or self.whole
        self._in_head = True
        self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole field, of the head or (after the body) a trailer: what a client knows of a body comes before it."""
        if not self._in_head:
            return
        self._head_size += len(name) + len(value) + 4
        self.fields.append((name.lower(), value))
        if self._head_size > MOST_HEAD or len(self.fields) > MOST_FIELDS:
            self.malformed = True

    def on_headers_complete(self) -> None:
        """A head is whole; after an interim one (100) there is another."""
        self._in_head = self.status < 200

    def on_body(self, data: bytes) -> None:
        """A part of the body. An interim answer has none (RFC 9110, 15.2): it would be read as the answer's."""
        self.malformed = self.malformed or self._in_head
        self._body += data

    def on_message_complete(self) -> None:
        """An answer is whole, unless it is an interim one. What follows waits until these bytes are read."""
        if self.status >= 200:
            self.whole = True
            self.stays = self._parser.should_keep_alive()
