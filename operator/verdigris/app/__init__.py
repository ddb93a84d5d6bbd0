"""The process: settings, leadership, the queue, the reconcile loop, and what it tells of itself."""
