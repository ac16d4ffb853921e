"""What every process stands on: clock, chance, tasks, framing, logs, timings.

Nothing here knows Kubernetes or packets. Upstream's namesake is k8s.io/component-base.
"""
