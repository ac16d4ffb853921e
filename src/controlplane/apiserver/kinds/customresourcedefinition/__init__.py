"""CustomResourceDefinitions: kinds that people add (apiextensions.k8s.io/v1).

Upstream: apiextensions-apiserver's `pkg/apis/apiextensions`. What lives from a definition stands in
`controlplane.apiserver.apiextensions`.
"""
