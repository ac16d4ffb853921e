"""Jobs and CronJobs: pods that end (batch/v1). Upstream: pkg/apis/batch/validation."""
