"""gRPC's unary calls over cleartext HTTP/2, as far as a health check needs them (RFC 9113, 7541).

`frames` and `hpack` are the wire, `client` one call, `server` one connection of a server, `health`
the messages of grpc.health.v1. Nothing here does I/O. Left out: streaming calls, TLS, compression,
priorities, and flow control of what is sent, since a message is a few octets.
"""
