"""A fitted pipeline as an ONNX graph of our own making, in float64. One module a family; nothing that serves."""
