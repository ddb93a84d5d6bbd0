"""The thin shell around ``protocol``: ASGI, routes, metrics, drain, shutdown. No decision about a model lives here."""
