"""A first look at a wallet: does it make sense to test it, and if not, who must mend what."""
