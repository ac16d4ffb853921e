"""Ended Jobs are deleted when their time is up (upstream: pkg/controller/ttlafterfinished)."""
