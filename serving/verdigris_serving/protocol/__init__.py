"""The Open Inference Protocol without a transport: a body's bytes in, a status and bytes out. No sockets, no HTTP."""
