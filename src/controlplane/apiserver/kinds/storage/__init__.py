"""Storage as objects: volumes, claims, classes, what drivers say of themselves.

Core/v1 and storage.k8s.io/v1. Nothing here is provisioned, bound or attached: the objects are for
the programs of a cluster that do so, and for people who learn what they look like.
"""
