"""The cluster's DNS server, as CoreDNS is one: a Corefile, a chain of plugins, Kubernetes' names.

What a question is answered with is decided by plain code: `query` and `response` are the octets,
`kubernetes` the records of Services and pods, `chain` the order of the plugins. `run` is the shell
that listens, watches the API server and asks other resolvers. It runs as a pod's program.
"""
