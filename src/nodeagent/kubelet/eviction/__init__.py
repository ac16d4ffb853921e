"""Who must leave a node that runs short of something (upstream: pkg/kubelet/eviction).

`thresholds` says what short is, `observations` how much there is, `manager` when it is acted upon,
`ranking` who goes first. Nothing here measures, and nothing here ends a pod.
"""
