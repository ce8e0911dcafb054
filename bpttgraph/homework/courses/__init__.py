"""Courses: their arrays, functions and answer keys, in their own names and layout."""
