"""The kubelet: Pods of this node become sandboxes and containers, and their state becomes status.

Upstream: pkg/kubelet. `pod_actions`, `pod_status`, `probe`, `backoff`, `image_pull`, `node_status`
decide (no I/O); `pod_worker`, `prober`, `status_manager`, `node` and `server` are the shells.
"""
