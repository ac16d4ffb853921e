"""Who a pod is: tokens of service accounts, issued, believed and mounted."""
