"""Somebody's code: run in a child process, within limits, and differentiated by differences."""
