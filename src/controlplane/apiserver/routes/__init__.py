"""What is served where: `dispatch` finds the handler, the other modules hold them by subject."""
