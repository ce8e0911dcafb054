"""The machine around us: files, other programs, optional packages, and how large a piece of work may be."""
