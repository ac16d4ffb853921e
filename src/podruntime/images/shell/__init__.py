"""A modest POSIX shell (busybox ash's role): what manifests and `kubectl exec` write.

`lexer` cuts a script into tokens, `parser` makes a tree of them, `expand` turns words into
fields, `interpreter` walks the tree. Programs are coroutines of the image, not processes.
Left out: job control, here-documents with expansion of commands, aliases, `getopts`.
"""
