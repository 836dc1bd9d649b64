"""What every layer may use: errors, time, ids, logging, locks."""
