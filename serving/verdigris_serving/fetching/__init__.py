"""How an artifact's bytes get into the pod: one loop (``stream``) and one module a kind of source. Parses no artifact.

``port`` is what the loop knows of a source; ``sources`` tells which source an address belongs to. Nothing of this is
imported by the server.
"""
