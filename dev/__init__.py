"""Tools for people who work on Verdigris: the local cluster and the demo. Nothing here is shipped in an image."""
