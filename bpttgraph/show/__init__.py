"""What joins rooms: views of a recurrence as pictures, a cell from inside, causes in pictures, notebooks."""
