"""Programs of the user's that are asked about writes (upstream: admission/plugin/webhook)."""
