"""Claims and volumes: what the binder and the scheduler agree on (component-helpers/storage)."""
