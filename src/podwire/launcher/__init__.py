"""The cluster's init: starts every process from a warm zygote, restarts what dies by accident.

The launcher is no part of the cluster: when it is killed the cluster goes on unsupervised, and
`podwire down` still finds every process by its session.
"""
