"""OpenAPI documents of what is served now, made from the table of kinds (upstream: kube-openapi).

`documents` has version 3's index and documents, `paths` and `operations` write one kind's paths,
`parameters` what queries may say. Schemas are `kubeapi.schema.openapi`'s; `swagger` makes version 2
of the same documents.
"""
