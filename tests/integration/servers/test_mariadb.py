"""What the database has to keep, on a real MariaDB."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DataError, IntegrityError
from tests.support.installation import PASSWORD, QUICK_PASSWORDS
from tests.support.mariadb import MariaDb

from yunzhuo.phoenix.common.errors import Inconsistent, LimitReached, Unavailable
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.models import Organization
from yunzhuo.phoenix.db.session import Contended, Database, retried_when_contended
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.first_start import prepare

pytestmark = pytest.mark.servers
MOMENT = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def url(mariadb: MariaDb) -> str:
    return mariadb.make_database()


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    database = Database(url)
    migrate.upgrade(database)
    with database.transaction() as tx:
        tx.add_all([Organization(id=name, name=name, created_at=MOMENT, is_default=False) for name in ("a", "b")])
    yield database
    database.close()


@pytest.fixture
def all_services(url: str, tmp_path: Path) -> Iterator[Services]:
    settings = Settings.model_validate(
        {
            "home": tmp_path / "home",
            "database": {"url": url},
            "cloud": {"driver": "memory"},
            "limits": {"desktops_per_user": 3},
        }
    )
    prepare(settings)
    with services(settings, passwords=QUICK_PASSWORDS) as made:
        made.catalog.synchronize(made.accounts.default_organization_id())
        yield made


def rename(db: Database, organization_id: str, name: str) -> None:
    with db.transaction() as tx:
        tx.get_one(Organization, organization_id).name = name


def test_ids_and_names_are_told_apart_by_every_byte(db: Database) -> None:
    with db.transaction() as tx:
        tx.add_all(
            [Organization(id=name, name=name, created_at=MOMENT, is_default=False) for name in ("A", "a ", "á", "桌面", "😀")]
        )
    with db.reading() as tx:
        assert set(tx.scalars(select(Organization.name))) == {"a", "b", "A", "a ", "á", "桌面", "😀"}
        assert tx.scalar(select(Organization.id).where(Organization.name == "A")) == "A"
    with pytest.raises(IntegrityError), db.transaction() as tx:
        tx.add(Organization(id="another", name="a", created_at=MOMENT, is_default=False))


def test_a_database_made_with_another_collation_is_put_right(url: str) -> None:
    db = Database(url)
    with db.engine.begin() as connection:
        connection.execute(text("ALTER DATABASE CHARACTER SET latin1"))
    migrate.upgrade(db)
    with db.transaction() as tx:
        tx.add_all([Organization(id=name, name=name, created_at=MOMENT, is_default=False) for name in ("a", "A", "桌")])
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE other (name VARCHAR(9)) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"))
    with pytest.raises(Inconsistent, match="other"):
        migrate.upgrade(db)
    db.close()


def test_times_keep_their_microseconds_whatever_the_zone(db: Database) -> None:
    with db.engine.begin() as connection:
        connection.execute(text("SET time_zone = '+09:00'"))
    there = MOMENT.astimezone(timezone(timedelta(hours=8)))
    with db.transaction() as tx:
        tx.get_one(Organization, "a").created_at = there
    with db.reading() as tx:
        assert tx.get_one(Organization, "a").created_at == MOMENT
        assert tx.scalar(select(Organization.id).where(Organization.created_at > MOMENT - timedelta(microseconds=1))) == "a"


def test_what_does_not_fit_is_refused_and_never_cut(db: Database) -> None:
    with pytest.raises(DataError):
        rename(db, "a", "x" * 256)
    with db.reading() as tx:
        assert tx.get_one(Organization, "a").name == "a"


def test_after_a_lost_compare_and_set_the_winner_is_seen_in_the_same_transaction(db: Database) -> None:
    with db.transaction() as tx:
        assert tx.scalar(select(Organization.name).where(Organization.id == "a")) == "a"  # a snapshot would begin here
        rename(db, "a", "won")
        lost = tx.execute(update(Organization).where(Organization.id == "a", Organization.name == "a").values(name="lost"))
        assert getattr(lost, "rowcount", None) == 0
        assert tx.scalar(select(Organization.name).where(Organization.id == "a")) == "won"


def test_several_looks_of_one_reading_see_one_moment_and_cannot_write(db: Database) -> None:
    with db.reading() as tx:
        assert tx.scalar(select(Organization.name).where(Organization.id == "a")) == "a"
        rename(db, "a", "later")
        assert tx.scalar(select(Organization.name).where(Organization.id == "a")) == "a"
    with db.reading() as tx:
        assert tx.scalar(select(Organization.name).where(Organization.id == "a")) == "later"
    with pytest.raises(Unavailable), db.reading() as tx:
        tx.execute(update(Organization).values(name="x"))
    rename(db, "b", "written")  # the connection is none the worse for it


def crossing(db: Database, *, again: bool) -> list[BaseException | None]:
    """Two transactions that take two rows in opposite order, at once; how each ended."""
    met = threading.Barrier(2, timeout=10)
    first_time = threading.local()

    def change(first: str, second: str) -> None:
        with db.transaction() as tx:
            tx.execute(update(Organization).where(Organization.id == first).values(name=f"{first} by {first}"))
            if not getattr(first_time, "is_over", False):
                first_time.is_over = True
                met.wait()
            tx.execute(update(Organization).where(Organization.id == second).values(name=f"{second} by {first}"))

    run = retried_when_contended(change) if again else change
    with ThreadPoolExecutor(2) as pool:
        return [each.exception() for each in [pool.submit(run, "a", "b"), pool.submit(run, "b", "a")]]


def test_a_deadlock_takes_one_back_whole(db: Database) -> None:
    ends = crossing(db, again=False)
    assert [type(end) for end in ends if end is not None] == [Contended]
    with db.reading() as tx:
        assert len({name.rpartition(" ")[2] for name in tx.scalars(select(Organization.name))}) == 1


def test_a_transaction_that_lost_a_deadlock_is_run_again(db: Database) -> None:
    assert crossing(db, again=True) == [None, None]


def test_a_transaction_begins_on_a_server_that_was_restarted(mariadb: MariaDb, db: Database) -> None:
    rename(db, "a", "before")
    mariadb.end()
    try:
        with pytest.raises(Unavailable):
            rename(db, "a", "meanwhile")
    finally:
        mariadb.start()
    rename(db, "b", "after")  # connections that broke are not met again
    with db.reading() as tx:
        assert sorted(tx.scalars(select(Organization.name))) == ["after", "before"]


def test_fifty_wishes_at_once_for_the_last_place_give_one_desktop(all_services: Services) -> None:
    actor = all_services.accounts.add("lin@school.local", PASSWORD, Role.USER).actor()
    image, flavor = all_services.catalog.images(actor)[0].id, all_services.catalog.flavors(actor)[0].id
    for _ in range(2):
        all_services.desktops.request(actor, image_id=image, flavor_id=flavor)

    def wish(_number: int) -> bool:
        try:
            all_services.desktops.request(actor, image_id=image, flavor_id=flavor)
        except LimitReached:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(wish, range(50))) == 1
    assert len(all_services.desktops.list(actor).items) == 3


def test_the_same_key_fifty_times_at_once_gives_one_desktop(all_services: Services) -> None:
    actor = all_services.accounts.add("lin@school.local", PASSWORD, Role.USER).actor()
    image, flavor = all_services.catalog.images(actor)[0].id, all_services.catalog.flavors(actor)[0].id

    def wish(_number: int) -> str:
        return all_services.desktops.request(actor, image_id=image, flavor_id=flavor, idempotency_key="k").desktop.id

    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(wish, range(50)))) == 1
    assert len(all_services.desktops.list(actor).items) == 1
