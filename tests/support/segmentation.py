"""Cuts octets into other pieces, as a network may do."""

import itertools


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut the octets at these positions modulo their length."""
    edges = [0, *sorted({place % (len(octets) + 1) for place in places}), len(octets)]
    return [octets[first:last] for first, last in itertools.pairwise(edges)]
