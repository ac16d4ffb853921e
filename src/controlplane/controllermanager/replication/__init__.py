"""ReplicationControllers become pods."""
