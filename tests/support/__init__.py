"""Deterministic fake models, tools, retrievers and chains that the tests share."""
