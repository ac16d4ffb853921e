"""Packets and hosts: Ethernet, ARP, IPv4, ICMP, UDP and TCP in plain synchronous Python.

Nothing here knows an event loop, a socket, a wall clock or Kubernetes. Frames go in, frames come
out, time and chance are arguments. `wire` has the formats, `ip_host` a host that speaks IPv4,
`host` the same behind an Ethernet interface with ARP.
"""
