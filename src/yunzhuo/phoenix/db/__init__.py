"""The state: passive models, short transactions, migrations. SQLite when embedded, MariaDB or MySQL otherwise."""
