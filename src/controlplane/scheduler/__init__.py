"""The scheduler: which node a pod runs on (upstream: kube-scheduler).

`queue` knows which pods wait and why, `cache` what runs where, `framework/plugins` what speaks
for and against a node, `schedule_one` puts it together, `run` is the shell around them.
Deliberately absent: preemption, inter-pod affinity, volumes, extenders, several profiles.
"""
