"""The ``.vmodel`` file: writing, reading, verifying and packing it. Nothing of HTTP or of serving requests."""
