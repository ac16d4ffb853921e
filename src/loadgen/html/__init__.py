"""`loadgen report --html`: one self-contained page; `page` is where it begins."""
