"""Use cases: each method checks a permission, opens its own short transactions, and answers frozen values."""
