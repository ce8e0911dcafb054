"""What is true on an instance, how far rounding may carry a right answer from it, and what an instance cannot show."""
