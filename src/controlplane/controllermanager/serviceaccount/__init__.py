"""Every namespace has a default service account."""
