"""Silent nodes become NotReady, tainted, and lose their pods' endpoints."""
