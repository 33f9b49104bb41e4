"""Clips of one's own: their description, their tables, reading and writing them."""

from rpstn.datasets.own.writer import own_clip, write_own

__all__ = ["own_clip", "write_own"]
