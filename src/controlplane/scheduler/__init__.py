"""The scheduler: which node a pod runs on (upstream: kube-scheduler).

`queue` knows which pods wait and why, `cache` what runs where, `framework` what speaks for and
against a node, `scheduler_config` which plugins do, `schedule_one` puts it together, `run` and
`binding` are the shell around them. Deliberately absent: volumes and extenders.
"""
