"""Pods that no kubelet will clean up are deleted."""
