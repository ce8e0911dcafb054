"""The verdict: an answer tied to an instance, compared with the truth, explained, and told."""
