"""The example model: synthetic patients, three versions of a diabetes classifier, and requests to send to it."""
