"""What account managers ask of allowances: what a plan would change, what a sending would use. Pure."""
