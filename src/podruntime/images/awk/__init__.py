"""awk as far as people paste it: a lexer, a parser that makes functions, and what they run on.

POSIX's language without functions of one's own, `getline`, `system` and pipes. A program sees its
whole input at once, and may do so much in all (`machine.STEPS_MAX`): it runs between two packets.
"""
