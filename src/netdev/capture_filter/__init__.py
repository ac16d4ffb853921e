"""Which packets a capture keeps: pcap-filter(7)'s language, as far as people use it.

`words` cuts the text, `parse` makes a `tree` of it, `match` a predicate over frames. Text goes
over the netlink socket: the command line replaces names of pods and Services by addresses, writes
the tree as text again, and the datapath parses that.

As in tcpdump `and` and `or` bind alike and to the left, `not` binds tighter; `port 80 or 443` means
`port 80 or port 443`; a load beyond the packet's end rejects the packet. After the word `vxlan`
everything speaks of the inner frame. Deviations: `tcp[…]` and `udp[…]` read IPv6 segments, too;
`syn`, `fin`, `rst`, `psh` and `ack` are words of their own; `pod NS/NAME` and `svc NS/NAME` are
hosts. Left out: VLAN, MPLS, PPPoE, 802.11, gateway, host names from DNS.
"""
