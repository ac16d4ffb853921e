"""Cron's times: what a schedule says, and when it is due next (github.com/robfig/cron v3).

Validation of CronJobs and the cronjob controller read the same text by the same code.
"""

from controlplane.cron.schedule import BadSchedule, Every, Fields, Schedule, parse

__all__ = ["BadSchedule", "Every", "Fields", "Schedule", "parse"]
