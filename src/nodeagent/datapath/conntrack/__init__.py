"""Connection tracking and the address translation that rests on it (nf_conntrack, nf_nat)."""
