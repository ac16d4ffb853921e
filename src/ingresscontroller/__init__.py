"""The ingress controller: HTTP from outside to Services, as ingress-nginx does it.

`translation` makes a routing `table` of Ingresses, `decision` says what becomes of a request, and
`message`, `framing` and `forwarding` are HTTP/1.1 as strictly as a proxy must read it: plain code.
The shells are `frontend` (clients), `exchange` and `pool` (endpoints), `watching` (the API server),
`publishing` (status) and `run`. It runs as a pod's program.
"""
