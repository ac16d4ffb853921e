"""Who may do what (upstream: authorization modes Node and RBAC).

`authorizer.Authorizer` asks in order: system:masters may do everything; what a node needs for the
pods bound to it says the Node authorizer; the rest the RBAC objects, which are kept as an index
that the caches' events bring up to date, so that a decision reads dictionaries only.
"""
