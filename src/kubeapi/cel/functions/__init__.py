"""What an expression may call: CEL's own functions and Kubernetes' libraries, as tables."""
