"""Packets and hosts: Ethernet, ARP, NDP, IP, ICMP, UDP and TCP in plain synchronous Python.

Nothing here knows an event loop, a socket, a wall clock or Kubernetes. Frames go in, frames come
out, time and chance are arguments. `wire` has the formats, `ip_host` a host that speaks IPv4 and
IPv6, `host` the same behind an Ethernet interface. What IPv4 does in `ip_input`, `ip_output`,
`icmp` and `arp` IPv6 does in `ip6_input`, `ip6_output`, `icmp6` and `ndisc`; TCP and UDP know
their difference only as a `Family`.
"""
