"""The Kubernetes API over a store (upstream: kube-apiserver on k8s.io/apiserver).

A request crosses, in this order: `server` (HTTP and TLS), `request_info` (what is asked), `authn`
and `authz` (by whom), `decoding` and `negotiation` (in which octets), `dispatch` (who answers),
`registry` (the verbs) over `cacher` (everything readable, in memory) and the store. The kinds
themselves are rows in `kinds`; no verb knows one by name.
"""
