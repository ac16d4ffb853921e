"""The verbs of the API, the same for every kind (upstream: registry/generic/registry).

`create`, `update`, `delete` and `pages` decide on plain objects; `registry` carries the
decisions out against the cacher and the store.
"""
