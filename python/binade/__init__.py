"""binade from Python: so far, reading the studies that the program `binade` leaves behind (binade.store)."""
