"""Image collection (upstream: images/image_gc_manager_test.go, by the names of its tests)."""

from nodeagent.kubelet.image_gc import ImageGcManager


def manager(min_age_s: float = 0.0) -> ImageGcManager:
    return ImageGcManager(high_percent=90, low_percent=80, min_age_s=min_age_s)


def test_garbage_collect_below_low_threshold():
    assert manager().collect(1000, 600, (), 0) is None


def test_garbage_collect_not_enough_freed_says_so():
    images = manager()
    images.observe({"a": 50}, (), 0)
    collected = images.collect(1000, 0, (), 10)
    assert (collected.images, collected.wanted, collected.freed) == (("a",), 200, 50)
    assert collected.failure == (
        "Failed to garbage collect required amount of images. Attempted to free 200 bytes, "
        "but only found 50 bytes eligible to free."
    )


def test_free_space_images_in_use_contained_are_ignored():
    images = manager()
    images.observe({"a": 1024, "b": 2048}, ("b",), 0)
    assert images.free(2048, ("b",), 10).images == ("a",)


def test_free_space_remove_by_least_recently_used():
    images = manager()
    everything = {"a": 1024, "b": 2048}
    images.observe(everything, ("a", "b"), 0)
    images.observe(everything, ("a",), 10)
    assert images.free(1024, (), 20).images == ("b",)


def test_free_space_tie_breaks_by_detection_time():
    images = manager()
    images.observe({"a": 1024}, ("a",), 0)
    images.observe({"a": 1024, "b": 1024}, ("a", "b"), 10)
    assert images.free(1024, (), 20).images == ("a",)


def test_garbage_collect_image_not_old_enough():
    images = manager(min_age_s=60)
    images.observe({"a": 1024}, (), 0)
    assert images.free(1024, (), 59).images == ()
    assert images.free(1024, (), 60).images == ("a",)


def test_what_is_gone_is_forgotten():
    images = manager()
    images.observe({"a": 1024}, (), 0)
    images.observe({}, (), 1)
    assert images.free(1024, (), 2).images == ()
