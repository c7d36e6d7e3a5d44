"""Models whose mechanism is known, and how often the ledger's rules are right about them."""
