"""What `rpstn bench` times: this package against the way in which the released code computes the same."""
