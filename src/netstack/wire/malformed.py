"""The one exception that reading octets may raise: what arrived is not what it claims to be."""


class MalformedPacket(Exception):
    """Octets that a parser refuses; the receiver drops and counts them."""
