"""`tally demo`: the whole pipeline on this machine, watched while it runs and proven at the end."""
