"""Run by Alembic: the license server's own migrations, on the engine that the caller hands over."""

from alembic import context

from yunzhuo.license.models import VendorBase
from yunzhuo.license.schema import VERSION_TABLE

with context.config.attributes["engine"].connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=VendorBase.metadata,
        render_as_batch=True,
        compare_type=True,
        version_table=VERSION_TABLE,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
