"""Each alert by a real fault on the local cluster: how soon it fires, and how soon it is over once the fault is.

What decides is Prometheus' own state of the rules (`/api/v1/alerts`): what an Alertmanager would be sent.
"""
