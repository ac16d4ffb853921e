"""The in-tree plugins, by their upstream names, in upstream's order and with its weights."""
