"""PodDisruptionBudgets are told how many of their pods may go."""
