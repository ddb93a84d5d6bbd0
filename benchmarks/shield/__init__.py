"""The shield on the real cluster: what clients notice of a version on trial, whatever becomes of it or of others."""
