"""A module that cannot be imported: an image whose program crashes before it begins."""

raise RuntimeError("a broken module")
