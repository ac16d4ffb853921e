"""Claims that live as long as their pod."""
