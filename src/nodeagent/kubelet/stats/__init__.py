"""What this node and its pods use (upstream: pkg/kubelet/server/stats and metrics/collectors)."""
