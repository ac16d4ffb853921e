"""ClusterRoles that are made of others (upstream: clusterroleaggregation)."""
