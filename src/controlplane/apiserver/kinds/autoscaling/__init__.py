"""HorizontalPodAutoscalers: how many replicas, by what is measured (autoscaling/v2 and v1).

As objects: nothing here measures. Upstream: pkg/apis/autoscaling.
"""
