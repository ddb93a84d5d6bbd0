"""The page: what is live and what waits for me, in a browser. Standard library only, but for `incluster`.

`pages` turn values into HTML and `timeline` documents into curves, both pure; `site` answers requests whatever carries
them; `port` is what it asks of a cluster. Two shells carry requests: `loopback` (kubectl's own rights, one person) and
`incluster` (aiohttp, everybody by their own token). What decides about rollouts does not belong here.
"""
