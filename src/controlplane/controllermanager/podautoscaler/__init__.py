"""HorizontalPodAutoscalers (upstream: pkg/controller/podautoscaler)."""
