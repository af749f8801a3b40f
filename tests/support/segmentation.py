"""The same octets in other pieces: what arrives over a network may be cut anywhere."""

import itertools


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut at these places, taken modulo the length."""
    edges = [0, *sorted({place % (len(octets) + 1) for place in places}), len(octets)]
    return [octets[first:last] for first, last in itertools.pairwise(edges)]
