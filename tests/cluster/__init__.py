"""The local cluster itself: its parts without a cluster, then what it promises to tests and demo, then its life."""
