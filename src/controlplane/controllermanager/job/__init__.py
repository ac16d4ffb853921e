"""Jobs: pods that run until enough of them have succeeded (upstream: pkg/controller/job)."""
