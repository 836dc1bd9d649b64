"""Makes a worker die at the points laid out for it, and its clock go wrong.

The worker is the one that ships. What is added looks on from outside: at SQLAlchemy's own events, which say what was
committed, and through the memory cloud, which kills its caller on request.
"""

import os
import signal
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.chaos.kill_points import CALLS, KillPoints, Moment, Point
from yunzhuo.phoenix.cloud.memory import Control, control
from yunzhuo.phoenix.cloud.memory.faults import Fault, FaultKind
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db.models import Address, DepartedServer, Desktop, Operation, OperationStep, PersonalDisk
from yunzhuo.services.address_claims import ADDRESS_STEPS
from yunzhuo.services.rules.lifecycle import OperationStatus, Step
from yunzhuo.services.rules.personal_disks import DISK_STEPS


def patient_control(settings: Settings) -> Control:
    """The other side of the cloud, for whoever looks on: waits however long its users keep it busy."""
    cloud = settings.cloud.model_copy(update={"timeout_seconds": 60})
    return control(settings.model_copy(update={"cloud": cloud}), clock=SystemClock())


class WrongClock:
    """A computer's clock that is as many seconds ahead as a file says, read anew each time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """What time it seems to be."""
        return SystemClock().now() + timedelta(seconds=int(self._file.read_text()))


class Saboteur:
    """Kills this process where a point says so."""

    def __init__(self, settings: Settings, points: KillPoints) -> None:
        self._points = points
        self._weather = patient_control(settings)
        self._turn = threading.Lock()  # never given back by whoever dies

    def watch(self) -> None:
        """From now on."""
        event.listen(Session, "loaded_as_persistent", self._loaded)
        event.listen(Session, "before_commit", self._before_commit)
        event.listen(Session, "after_commit", self._after_commit)

    @staticmethod
    def _loaded(session: Session, row: object) -> None:
        if isinstance(row, Operation | OperationStep | Desktop | PersonalDisk | Address | DepartedServer):
            session.info.setdefault("seen", []).append(row)

    def _before_commit(self, session: Session) -> None:
        operation, step, _ = _seen(session)
        if operation is not None and step is not None and operation.lease_owner is None and Step(step.name) not in CALLS:
            self._die_at(Point(operation.action, step.name, Moment.INSIDE))

    def _after_commit(self, session: Session) -> None:
        operation, step, desktop = _seen(session)
        rows = session.info.pop("seen", [])
        if operation is None or step is None or desktop is None:
            return
        if operation.lease_owner is None:
            if step.status == OperationStatus.SUCCEEDED:
                self._die_at(Point(operation.action, step.name, Moment.AFTER))
            return
        self._die_at(Point(operation.action, step.name, Moment.BEFORE))
        if Step(step.name) in DISK_STEPS:
            subject = next((_asked_about(row, Step(step.name), desktop) for row in rows if isinstance(row, PersonalDisk)), None)
        elif Step(step.name) in ADDRESS_STEPS:
            subject = next((_led(row, Step(step.name)) for row in rows if isinstance(row, Address)), None)
        elif step.name == Step.GIVEN_UP:
            departed = [row for row in rows if isinstance(row, DepartedServer)]
            subject = max(departed, key=lambda row: row.departed_at).server_id if departed else None
        else:
            subject = desktop.id if step.name == Step.SERVER else desktop.server_id
        self._die_in_the_call(operation, step, subject)

    def _die_at(self, point: Point) -> None:
        with self._turn:
            if self._points.take(point, pid=os.getpid()):
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()

    def _die_in_the_call(self, operation: Operation, step: OperationStep, subject: str | None) -> None:
        call = CALLS.get(Step(step.name))
        if call is None or subject is None:
            return
        point = Point(operation.action, step.name, Moment.INSIDE)
        if self._points.take(point, pid=os.getpid(), call=call, subject=subject, at=time.time()):
            self._weather.faults.set(Fault(operation=call, kind=FaultKind.CRASH, subject=subject))


def _seen(session: Session) -> tuple[Operation | None, OperationStep | None, Desktop | None]:
    """The operation a transaction is about, its present step, its desktop; none of them in other transactions."""
    rows = session.info.get("seen", [])
    operations = [row for row in rows if isinstance(row, Operation)]
    steps = sorted((row for row in rows if isinstance(row, OperationStep)), key=lambda row: row.position)
    desktops = [row for row in rows if isinstance(row, Desktop)]
    return next(iter(operations), None), next(iter(steps), None), next(iter(desktops), None)


def _asked_about(disk: PersonalDisk, step: Step, desktop: Desktop) -> str | None:
    """The volume that the cloud is asked about at this step of this desktop; None: it is not asked."""
    if disk.desktop_id != desktop.id or (step is Step.FETCH_DISK and disk.leaving_desktop_id is None):
        return None
    return disk.volume_id


def _led(address: Address, step: Step) -> str | None:
    """The floating IP that the cloud is asked about at this step; None: it is not asked, as one of the pool is made already."""
    if step is Step.MAKE_ADDRESS:
        return address.id if address.cloud_id is None else None
    return address.cloud_id
