"""What all tables share: names of constraints, aware UTC times, 36-character ids."""

from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, String, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, kept to the microsecond in a column without a zone."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times in the database are aware; this one has no zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


Id = Annotated[str, mapped_column(String(36))]
Time = Annotated[datetime, mapped_column(UtcDateTime())]
Word = Annotated[str, mapped_column(String(32))]
Name = Annotated[str, mapped_column(String(255))]
# SQLite counts only a plain INTEGER primary key by itself.
Sequence = BigInteger().with_variant(Integer(), "sqlite")
Digest = Annotated[str, mapped_column(String(64))]


class Base(DeclarativeBase):
    """Root of all models. Models hold columns and nothing that acts; relations are loaded on purpose or not at all."""

    metadata = MetaData(naming_convention=NAMING)
