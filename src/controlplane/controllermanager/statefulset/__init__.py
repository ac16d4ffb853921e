"""StatefulSets become pods with names, and claims, of their own."""
