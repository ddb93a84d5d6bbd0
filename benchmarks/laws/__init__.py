"""The laws under load on the real cluster: what clients lose, and how soon they are off a bad version."""
