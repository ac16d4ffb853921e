"""Who else is asked about writes: webhooks and policies (admissionregistration.k8s.io/v1)."""
