"""What DaemonSets and StatefulSets were before: ControllerRevisions (pkg/controller/history)."""
