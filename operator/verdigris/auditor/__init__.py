"""`verdigris-audit`: looks at a copy of an audit log, offline. It knows the format, and nothing of the operator."""
