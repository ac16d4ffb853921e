"""The datapath against a minimal C forwarder: single 1,450-octet frames, veth in, VXLAN out."""

from benchmarks.datapath.forwarding import run

__all__ = ["run"]
