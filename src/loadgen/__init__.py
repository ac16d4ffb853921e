"""An open-loop load generator: it asks at the times it meant to, whatever the answers do.

`plan` says what to do, `schedule` when, `http1` reads answers, `report` adds up, `render` prints;
all of them are synchronous. `client` and `run` do the I/O. Latency counts from the intended
moment, so that a server that stalls cannot hide the requests which it kept from being sent
(Tene's "coordinated omission").
"""
