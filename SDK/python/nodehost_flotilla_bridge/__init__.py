"""Lets an original client of Flotilla's train with nodehost: see README.md."""
from .bridge import Bridge, Settings
from .reading import Refused

__all__ = ["Bridge", "Settings", "Refused"]
