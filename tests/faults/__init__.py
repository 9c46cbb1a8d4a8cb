"""Faults on a real socket: the same answer in four formats, and how a call of the public API ends when it is spoilt."""
