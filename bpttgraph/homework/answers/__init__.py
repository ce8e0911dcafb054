"""What was handed in: files, formulas and mappings become gradients by name. Nothing here knows what is true."""
