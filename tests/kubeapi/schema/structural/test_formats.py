"""The formats of strfmt: for each, texts that fit and texts that do not."""

from __future__ import annotations

import pytest

from kubeapi.schema.structural import formats


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("bsonobjectid", "507f1f77bcf86cd799439011", "507f1f77"),
        ("uri", "https://example.com/a?b=c", "no uri"),
        ("email", "a@example.com", "a.example.com"),
        ("hostname", "a-b.example.com", "-a.example.com"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "fd00::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "01:02:03:04:05:ab", "01:02-03:04:05:ab"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
        ("uuid3", "123e4567-e89b-32d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("uuid4", "123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-42d3-c456-426614174000"),
        ("uuid5", "123e4567-e89b-52d3-a456-426614174000", "123e4567-e89b-42d3-a456-426614174000"),
        ("isbn10", "0321751043", "0321751044"),
        ("isbn13", "978-0321751041", "978-0321751042"),
        ("isbn", "0321751043", "1"),
        ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("ssn", "111-22-3333", "111-22-333"),
        ("hexcolor", "#FFaa00", "#FFaa0"),
        ("rgbcolor", "rgb(1, 2, 255)", "rgb(1, 2, 256)"),
        ("byte", "YWJj", "YWJ"),
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-02-29T10:00:00.5Z", "2024-02-29 10:00:00"),
        ("datetime", "2024-02-29T10:00:00+02:00", "2023-02-29T10:00:00Z"),
        ("duration", "1h30m", "1 x"),
    ],
)
def test_formats(name, good, bad):
    assert formats.fits(good, name)
    assert not formats.fits(bad, name)


def test_what_asks_nothing():
    assert formats.fits("anything", "password")
    assert formats.fits("anything", "no-such-format")
    assert formats.fits("22 ns", "duration")
