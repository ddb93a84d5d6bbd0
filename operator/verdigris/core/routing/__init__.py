"""Who gets what share of the clients."""
