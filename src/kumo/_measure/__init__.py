"""How many CPUs are really delivered, found out by using them."""
