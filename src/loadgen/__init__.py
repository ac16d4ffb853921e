"""An open-loop load generator: it asks at the times it meant to, whatever the answers do.

`plan` says what to do, `schedule` when, `dispatch` over which connection, `protocols` in which
words; `report` adds up, `validity` and `thresholds` judge, `live` and `render` show. All of them
are synchronous. `client`, `run` and `drive` do the I/O; `recording` keeps the result file and
speaks with the cluster's journal. Latency counts from the intended moment, so that a server that
stalls cannot hide the requests which it kept from being sent (Tene's "coordinated omission").
"""
