"""PURE: what to do next. Nothing in here knows a clock, a socket, chance, or how Kubernetes is spoken to."""
