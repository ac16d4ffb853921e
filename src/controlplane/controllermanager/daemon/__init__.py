"""DaemonSets become one pod on every node that they fit."""
