"""A process of its own that asks a server again and again and writes how long each answer took, a line each.

``python -m verdigris_serving.gate.probe URL PATH``, the body on standard input. Of its own, because the process that
makes load would be late to read the answers. It ends with its parent, which is when nobody reads its lines.
"""

import asyncio
import sys
import time

import uvloop

from verdigris_serving.gate.client import Address, Line, Reply, asked, connected

#: Seconds between two requests; how many requests a connection gets, so that all pods have a part; how long is waited.
EVERY, ASKED_ON_ONE, WITHIN = 0.05, 20, 5.0


async def probe(address: Address, request: bytes) -> None:
    """Until nobody reads. From the moment that each request was due: what a late answer keeps back counts, too."""
    line: Line | None = None
    due, number = time.monotonic(), 0
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        try:
            if line is None or not line.usable or not number % ASKED_ON_ONE:
                if line is not None:
                    line.close()
                line = await connected(address, WITHIN)
            reply = await asked(line, request, WITHIN)
            if reply.stale:
                line = await connected(address, WITHIN)
                reply = await asked(line, request, WITHIN)
        except OSError as error:
            reply = Reply(0, fault=str(error))
        took = time.monotonic() - due
        good = 200 <= reply.status < 500
        sys.stdout.write(f"{took if good else -1:.6f}\n")
        sys.stdout.flush()
        number += 1
        # After an answer that took seconds there is no point in asking for all that it kept back.
        due = max(due + EVERY, time.monotonic() - 1)


def main() -> None:
    """The process."""
    address = Address.of(sys.argv[1])
    request = address.request(sys.argv[2], sys.stdin.buffer.read())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(probe(address, request))


if __name__ == "__main__":
    main()
