"""What is fuzzed: one small function for each parser that takes octets from outside.

Law: any octets give a value, a counted drop or the parser's own error; never another exception,
never much time, never much memory. `registry.TARGETS` has them all; `tests/fuzz/run.py` lets a
coverage-guided fuzzer at them, `test_fuzz.py` the corpus and some random octets.
"""
