"""custom.metrics.k8s.io and external.metrics.k8s.io, as prometheus-adapter serves them.

Upstream that is a server of its own before a Prometheus; here the API server asks the kubelets
itself (`/metrics/pods`), and only while somebody wants to know.
"""
