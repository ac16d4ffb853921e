"""The controllers: loops that bring the cluster to what its objects ask for.

One folder per controller, by its upstream name. In each, `controller.py` is the shell on
informers and a work queue; the other modules decide, and know neither API nor clock.
"""
