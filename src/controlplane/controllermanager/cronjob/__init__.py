"""CronJobs: Jobs that are made when a schedule says so (upstream: pkg/controller/cronjob)."""
