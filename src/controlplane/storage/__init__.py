"""Where objects are kept: a revisioned key-value store behind an interface in etcd's terms.

`interface` is what the API server knows; `embedded` is SQLite inside the API server's process.
Another implementation passes the same tests (`tests/controlplane/storage/test_conformance.py`).
"""
