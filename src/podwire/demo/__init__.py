"""`make demo`: a failover that one can watch, with one readable timeline."""
