"""ReplicaSets become pods."""
