"""Load from inside the cluster: workers in pods, their logs, and their results as one."""
