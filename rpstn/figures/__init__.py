"""What `rpstn.plots` offers, one kind of figure a file."""
