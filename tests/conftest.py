"""What holds for all tests: a noisy machine makes no property test fail."""

from hypothesis import settings

settings.register_profile("podwire", deadline=None)
settings.load_profile("podwire")
