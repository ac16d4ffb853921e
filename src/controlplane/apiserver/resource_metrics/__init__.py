"""metrics.k8s.io: what nodes and pods use, as metrics-server tells it (its pkg/storage, scraper).

Upstream it is a server of its own behind the aggregation layer; here the API server asks the
kubelets itself, and only while somebody wants to know.
"""
