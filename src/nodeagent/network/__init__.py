"""The network agent: how pods of different nodes reach each other.

A provider (flannel, …) turns Node objects into datapath entries; `agent.py` applies them. Adding
a provider is a file here and a line in `providers.py`.
"""
