"""The Open Inference Protocol over gRPC: its messages, its calls, its port. Nothing is imported unless there is a port.

What is computed, refused, limited and counted is ``http.app``'s: this package only carries bytes to it and back.
"""
