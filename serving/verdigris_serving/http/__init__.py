"""The thin shell around ``protocol``: the HTTP server, routes, metrics, admission, drain, shutdown. No decision about a
model lives here.
"""
