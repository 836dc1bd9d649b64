"""What pages say of states, steps, failures and refusals: the tables. The code is the service's, the sentence a person's."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.access import Role, Scope
from yunzhuo.services.people_import import Change
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step
from yunzhuo.web.portal import gateway_words, idle_words, lease_words, pool_words, rollout_words, schedule_words
from yunzhuo.web.portal.license_refusals import LICENSE_REFUSALS
from yunzhuo.webkit.words import ACCOUNT_FIELDS, ACCOUNT_REFUSALS

STATES: Mapping[State, LazyString] = {
    State.BUILDING: lazy_gettext("Building"),
    State.AVAILABLE: lazy_gettext("Available"),
    State.STARTING: lazy_gettext("Starting"),
    State.STOPPING: lazy_gettext("Stopping"),
    State.STOPPED: lazy_gettext("Stopped"),
    State.REBOOTING: lazy_gettext("Rebooting"),
    State.SUSPENDING: lazy_gettext("Suspending"),
    State.SUSPENDED: lazy_gettext("Suspended"),
    State.RESUMING: lazy_gettext("Resuming"),
    State.REBUILDING: lazy_gettext("Restoring"),
    State.RESIZING: lazy_gettext("Resizing"),
    State.SNAPSHOTTING: lazy_gettext("Snapshots at work"),
    State.ROLLING_BACK: lazy_gettext("Rolling back"),
    State.CHANGING_DISK: lazy_gettext("Moving files"),
    State.CHANGING_ADDRESS: lazy_gettext("Changing the address"),
    State.RESCUED: lazy_gettext("Being repaired"),
    State.BINNED: lazy_gettext("In the bin"),
    State.DELETING: lazy_gettext("Deleting"),
    State.DELETED: lazy_gettext("Deleted"),
    State.ERROR: lazy_gettext("Needs attention"),
}

ROLES: Mapping[Role, LazyString] = {
    Role.USER: lazy_gettext("User"),
    Role.TEACHER: lazy_gettext("Teacher"),
    Role.AUDITOR: lazy_gettext("Auditor"),
    Role.ADMINISTRATOR: lazy_gettext("Administrator"),
    Role.OPERATOR: lazy_gettext("Operator"),
}

SCOPES: Mapping[Scope, LazyString] = {
    Scope.OWN: lazy_gettext("of their own"),
    Scope.GROUP: lazy_gettext("of the groups that they look after"),
    Scope.ORGANIZATION: lazy_gettext("of the organization"),
    Scope.INSTALLATION: lazy_gettext("of the installation"),
}

RESOURCES: Mapping[Resource, LazyString] = {
    Resource.DESKTOPS: lazy_gettext("Desktops"),
    Resource.RUNNING: lazy_gettext("Running desktops"),
    Resource.VCPUS: lazy_gettext("Processors"),
    Resource.MEMORY_MIB: lazy_gettext("Memory"),
    Resource.DISK_MIB: lazy_gettext("Disk"),
    Resource.SNAPSHOTS: lazy_gettext("Snapshots"),
    Resource.ADDRESSES: lazy_gettext("Floating IPs"),
    Resource.PERSONAL_DISKS: lazy_gettext("Personal disks"),
    Resource.PERSONAL_DISK_MIB: lazy_gettext("Personal disks' size"),
    Resource.PERSONAL_DISK_SNAPSHOTS: lazy_gettext("Personal disks' snapshots"),
    Resource.HOURS: lazy_gettext("Hours this month"),
}
SIZES = (Resource.MEMORY_MIB, Resource.DISK_MIB, Resource.PERSONAL_DISK_MIB)

SUBJECTS: Mapping[Subject, LazyString] = {
    Subject.USER: lazy_gettext("person"),
    Subject.GROUP: lazy_gettext("group"),
    Subject.ORGANIZATION: lazy_gettext("organization"),
}

OUTCOMES: Mapping[str, LazyString] = {
    "done": lazy_gettext("Done"),
    "refused": lazy_gettext("Refused"),
    "failed": lazy_gettext("Failed"),
}

# What several people are done to at once.
CHANGES: Mapping[Change, LazyString] = {
    Change.DISABLE: lazy_gettext("Disable accounts"),
    Change.ENABLE: lazy_gettext("Enable accounts"),
    Change.RESET: lazy_gettext("Reset passwords"),
    Change.DELETE: lazy_gettext("Delete accounts"),
}

# What several desktops are asked at once.
MANY: Mapping[Action, LazyString] = {
    Action.START: lazy_gettext("Start"),
    Action.STOP: lazy_gettext("Stop"),
    Action.REBOOT: lazy_gettext("Reboot"),
    Action.REBUILD: lazy_gettext("Restore to the image"),
    Action.DELETE: lazy_gettext("Delete"),
}

NOT_READY: Mapping[str, LazyString] = {
    "database": lazy_gettext("The database is not at this release's schema. Run “yunzhuo db upgrade”."),
    "desktops": lazy_gettext("The default image is still being prepared; until then desktops take longer."),
    "cloud": lazy_gettext("The cloud does not answer. Desktops can neither be made nor changed until it does."),
    "check": lazy_gettext("Part of the installation is not ready. “yunzhuo doctor” says more."),
}

STEPS: Mapping[Step, LazyString] = {
    Step.RESERVE: lazy_gettext("reservation"),
    Step.SERVER: lazy_gettext("virtual machine"),
    Step.START: lazy_gettext("power on"),
    Step.STOP: lazy_gettext("shutdown"),
    Step.REBOOT: lazy_gettext("restart"),
    Step.SUSPEND: lazy_gettext("suspend"),
    Step.RESUME: lazy_gettext("resume"),
    Step.REBUILD: lazy_gettext("restore"),
    Step.RESIZE: lazy_gettext("resize"),
    Step.SNAPSHOT: lazy_gettext("snapshot"),
    Step.ROLL_BACK: lazy_gettext("roll back"),
    Step.DROP_SNAPSHOT: lazy_gettext("snapshot removal"),
    Step.RUNNING: lazy_gettext("start-up"),
    Step.READY: lazy_gettext("system ready"),
    Step.STOPPED: lazy_gettext("power off"),
    Step.SUSPENDED: lazy_gettext("memory to disk"),
    Step.REBUILT: lazy_gettext("new disk"),
    Step.RESIZED: lazy_gettext("new size"),
    Step.KEPT: lazy_gettext("snapshot kept"),
    Step.ROLLED_BACK: lazy_gettext("earlier state"),
    Step.DROPPED: lazy_gettext("snapshot gone"),
    Step.FETCH_DISK: lazy_gettext("personal files fetched"),
    Step.CONNECT_DISK: lazy_gettext("personal files connected"),
    Step.DISCONNECT_DISK: lazy_gettext("personal files given back"),
    Step.RESTORE_DISK: lazy_gettext("personal files restored"),
    Step.MAKE_ADDRESS: lazy_gettext("floating IP"),
    Step.CONNECT_ADDRESS: lazy_gettext("floating IP led here"),
    Step.RELEASE_ADDRESS: lazy_gettext("floating IP given back"),
    Step.SETTLE: lazy_gettext("earlier work"),
    Step.REMOVE: lazy_gettext("removal"),
    Step.GONE: lazy_gettext("clean-up"),
    Step.LEAVE: lazy_gettext("forced removal"),
    Step.GIVE_UP: lazy_gettext("another host"),
    Step.GIVEN_UP: lazy_gettext("clean-up of the failed try"),
}

# What was done, as a history tells it.
ACTIONS: Mapping[Action, LazyString] = {
    Action.CREATE: lazy_gettext("Create"),
    Action.START: lazy_gettext("Start"),
    Action.STOP: lazy_gettext("Stop"),
    Action.REBOOT: lazy_gettext("Reboot"),
    Action.SUSPEND: lazy_gettext("Suspend"),
    Action.RESUME: lazy_gettext("Resume"),
    Action.REBUILD: lazy_gettext("Restore to the image"),
    Action.RESIZE: lazy_gettext("Change the size"),
    Action.SNAPSHOT: lazy_gettext("Take a snapshot"),
    Action.ROLL_BACK: lazy_gettext("Roll back"),
    Action.DELETE_SNAPSHOT: lazy_gettext("Delete a snapshot"),
    Action.CONNECT_DISK: lazy_gettext("Bring the personal files"),
    Action.DISCONNECT_DISK: lazy_gettext("Take the personal files away"),
    Action.RESTORE_DISK: lazy_gettext("Restore the personal files"),
    Action.ASSIGN_ADDRESS: lazy_gettext("Give a floating IP"),
    Action.RELEASE_ADDRESS: lazy_gettext("Take the floating IP away"),
    Action.DELETE: lazy_gettext("Delete"),
    Action.FORCE_DELETE: lazy_gettext("Force delete"),
}

STATUSES: Mapping[OperationStatus, LazyString] = {
    OperationStatus.WAITING: lazy_gettext("In the queue"),
    OperationStatus.QUEUED: lazy_gettext("About to begin"),
    OperationStatus.RUNNING: lazy_gettext("Going on"),
    OperationStatus.SUCCEEDED: lazy_gettext("Done"),
    OperationStatus.FAILED: lazy_gettext("Failed"),
    OperationStatus.CANCELLED: lazy_gettext("Cancelled"),
}

# What is asked before something is done: the heading, what follows from it, the button.
QUESTIONS: Mapping[str, tuple[LazyString, LazyString, LazyString]] = {
    "rebuild": (
        lazy_gettext("Restore “%(name)s” to its image?"),
        lazy_gettext("Everything on its disk is lost, your files on it included, and its snapshots may be lost too."),
        lazy_gettext("Restore"),
    ),
    "hard-reboot": (
        lazy_gettext("Reboot “%(name)s” by force?"),
        lazy_gettext("It is as if the plug were pulled: what is not saved is lost. For a desktop that answers no more."),
        lazy_gettext("Reboot by force"),
    ),
    "assign-address": (
        lazy_gettext("Give “%(name)s” a floating IP?"),
        lazy_gettext("Other networks reach it there then, as far as the cloud's security groups let them."),
        lazy_gettext("Give a floating IP"),
    ),
    "release-address": (
        lazy_gettext("Take the floating IP of “%(name)s” away?"),
        lazy_gettext("Whoever reaches the desktop there loses the way to it, and another desktop may get the address."),
        lazy_gettext("Take the floating IP away"),
    ),
    "force-delete": (
        lazy_gettext("Delete “%(name)s” by force?"),
        lazy_gettext(
            "It is deleted at once, without waiting for anything. What is left behind in the cloud is removed later by itself."
        ),
        lazy_gettext("Delete by force"),
    ),
}

FAILED: Mapping[Action, LazyString] = {
    Action.CREATE: lazy_gettext("The desktop could not be built."),
    Action.START: lazy_gettext("The desktop could not be started."),
    Action.STOP: lazy_gettext("The desktop could not be stopped."),
    Action.REBOOT: lazy_gettext("The desktop could not be rebooted."),
    Action.SUSPEND: lazy_gettext("The desktop could not be suspended."),
    Action.RESUME: lazy_gettext("The desktop could not be resumed."),
    Action.REBUILD: lazy_gettext("The desktop could not be restored to its image."),
    Action.RESIZE: lazy_gettext("The desktop could not get its new size."),
    Action.SNAPSHOT: lazy_gettext("The snapshot could not be taken."),
    Action.ROLL_BACK: lazy_gettext("The desktop could not be rolled back."),
    Action.DELETE_SNAPSHOT: lazy_gettext("The snapshot could not be deleted."),
    Action.CONNECT_DISK: lazy_gettext("The personal files could not be brought here."),
    Action.DISCONNECT_DISK: lazy_gettext("The personal files could not be taken away."),
    Action.RESTORE_DISK: lazy_gettext("The personal files could not be restored."),
    Action.ASSIGN_ADDRESS: lazy_gettext("The desktop could not be given a floating IP."),
    Action.RELEASE_ADDRESS: lazy_gettext("The floating IP could not be taken away."),
    Action.DELETE: lazy_gettext("The desktop could not be deleted."),
    Action.FORCE_DELETE: lazy_gettext("The desktop could not be deleted."),
}

REASONS: Mapping[str, LazyString] = {
    "operation_timed_out": lazy_gettext("It took too long."),
    "port_down": lazy_gettext("It did not get ready: the cloud's network has not plugged it in (its network port is down)."),
    "server_failed": lazy_gettext("Its virtual machine did not start."),
    "server_not_made": lazy_gettext("No host made its virtual machine in time."),
    "server_ended": lazy_gettext("Its virtual machine ended while it was starting."),
    "no_key_pair": lazy_gettext("No new desktop can be made: the cloud has not the key pair that the settings name."),
    "no_server_group": lazy_gettext("No new desktop can be made: the cloud has not the server group that the settings name."),
    "no_capacity": lazy_gettext("There is no room for it right now. Try again later, or choose a smaller size."),
    "cloud_unavailable": lazy_gettext("The cloud does not answer. Try again in a moment."),
    "internal_error": lazy_gettext("Something went wrong inside Yunzhuo. Your administrator finds more in the log."),
    "server_not_found": lazy_gettext("Its virtual machine is not there any more."),
    "no_server": lazy_gettext("It has no virtual machine."),
    "host_not_back": lazy_gettext("The host has to start its part of the cloud anew before it is opened."),
    "host_not_down": lazy_gettext("The host is heard of, or nobody has said that it is dead."),
    "host_not_found": lazy_gettext("There is no such host."),
    "image_in_use": lazy_gettext("The image is protected, or in another state than this needs."),
    "image_of_others": lazy_gettext("The image is another project's."),
    "network_in_use": lazy_gettext("Something is still on it."),
    "snapshot_not_newest": lazy_gettext("This cloud can go back to the newest snapshot only; delete the newer ones first."),
    "image_not_found": lazy_gettext("Its image is not there any more."),
    "flavor_not_found": lazy_gettext("Its size is not offered any more."),
    "snapshot_not_found": lazy_gettext("This snapshot is not there any more."),
    "disk_would_shrink": lazy_gettext("The size has a smaller disk, and a disk cannot shrink."),
    "server_locked": lazy_gettext("It is locked: nobody changes it until an administrator unlocks it."),
    "desktop_locked": lazy_gettext("It is locked: nobody changes it until an administrator unlocks it."),
    "server_shelved": lazy_gettext("It is put away to save room. Start it first."),
    "cannot_be_rescued": lazy_gettext("The cloud cannot start another system in this desktop."),
    "server_busy": lazy_gettext("Its virtual machine was busy with something else. Try again."),
    "volume_in_use": lazy_gettext("Programs have files open on the personal disk. Close them first."),
    "volume_busy": lazy_gettext("The personal disk is busy with something else. Try again in a moment."),
    "volume_not_found": lazy_gettext("The personal disk is not there any more. Tell your administrator."),
    "volume_snapshot_not_found": lazy_gettext("This snapshot is not there any more."),
    "floating_ip_not_found": lazy_gettext("The floating IP is not there any more. Try again for another one."),
    "floating_ip_busy": lazy_gettext("Somebody has led the floating IP elsewhere. Tell your administrator."),
    "floating_ip_unreachable": lazy_gettext("No router leads from the desktop's network to that of floating IPs."),
    "personal_disk_elsewhere": lazy_gettext("The personal files are at another desktop."),
    "machine_failed": lazy_gettext("Its virtual machine does not do what it is asked."),
    "guest_unreachable": lazy_gettext("The desktop does not answer right now. Try again in a moment."),
    "not_offered_by_cloud": lazy_gettext("This cloud cannot do that."),
}

# What was lost of a desktop that nothing is wrong with otherwise, and what to do.
LOSSES: Mapping[str, LazyString] = {
    "memory_lost": lazy_gettext(
        "What was open when it was suspended cannot be brought back: the software it runs on has changed since. Start it: "
        "everything on its disk is there, only what was not saved is gone."
    ),
    "only_disk": lazy_gettext(
        "Its files are those of the snapshot, but the programs that were open then cannot be brought back: the software it "
        "runs on has changed since. Open them again."
    ),
}

REFUSALS: Mapping[str, LazyString] = {
    **ACCOUNT_REFUSALS,
    **LICENSE_REFUSALS,
    **gateway_words.REFUSALS,
    **pool_words.REFUSALS,
    **rollout_words.REFUSALS,
    **schedule_words.REFUSALS,
    **lease_words.REFUSALS,
    "project_not_ready": lazy_gettext("Your organization's part of the cloud is still being made. Try again in a moment."),
    "other_project": lazy_gettext("The two are in different projects of the cloud, and cannot be joined."),
    "policy_forbids": lazy_gettext("This is not allowed on this desktop's screen."),
    "too_many_screens": lazy_gettext("You have too many screens open. Close one first."),
    "registration_closed": lazy_gettext("Registration is closed. Ask your administrator for an account."),
    "desktop_limit_reached": lazy_gettext("You have %(used)s of %(limit)s desktops. Delete one first."),
    "snapshot_limit_reached": lazy_gettext("This desktop has %(used)s of %(limit)s snapshots. Delete one first."),
    "snapshot_name_taken": lazy_gettext("Another snapshot of this desktop has this name."),
    "snapshot_not_made_yet": lazy_gettext("This snapshot is still being made."),
    "flavor_same": lazy_gettext("The desktop has this size already."),
    "flavor_too_small": lazy_gettext("This size does not fit the image of the desktop."),
    "flavor_disk_shrinks": lazy_gettext("The size has a smaller disk, and a disk cannot shrink."),
    "operation_in_progress": lazy_gettext("Another change to this desktop is still going on."),
    "operation_just_began": lazy_gettext("The change has just begun. Cancel it once more."),
    "nothing_to_cancel": lazy_gettext("There is nothing to cancel any more."),
    "nothing_to_retry": lazy_gettext("There is nothing to try again any more."),
    "nothing_to_undo": lazy_gettext("There is nothing to undo any more."),
    "operation_not_found": lazy_gettext("There is no such operation."),
    "not_possible_now": lazy_gettext("This is not possible now: the desktop has changed in the meantime."),
    "desktop_not_found": lazy_gettext("There is no such desktop."),
    "desktop_not_available": lazy_gettext("The screen cannot be opened while the desktop is not running."),
    "no_gateway": lazy_gettext("There is no gateway to open the screen through. Tell your administrator."),
    "protocol_not_offered": lazy_gettext("Screens cannot be opened this way here."),
    "idempotency_key_reused": lazy_gettext("This form was sent already. Reload the page."),
    "desktop_not_running": lazy_gettext("The desktop cannot be reached while it is not running."),
    "no_screenshot": lazy_gettext("There is no picture of this screen."),
    "thumbnails_off": lazy_gettext("There are no small pictures of screens here."),
    "thumbnail_not_now": lazy_gettext("The picture is not there yet. Try again in a moment."),
    "clipboard_too_large": lazy_gettext("This text is too long for the clipboard."),
    "file_too_large": lazy_gettext("This file is too large to be carried."),
    "folder_too_large": lazy_gettext("The folder is too large to be downloaded as a whole."),
    "bad_file_name": lazy_gettext("A file with this name cannot be carried. Rename it first."),
    "file_out_of_step": lazy_gettext("The transfer was disturbed by another one. Try again."),
    "guest_file_not_found": lazy_gettext("The file is not there any more."),
    "guest_disk_full": lazy_gettext("The desktop's disk is full."),
    "file_changed": lazy_gettext("The file is not there any more."),
    "group_not_found": lazy_gettext("There is no such group."),
    "group_name_taken": lazy_gettext("There is a group with this name already."),
    "role_name_taken": lazy_gettext("There is a role with this name already."),
    "organization_name_taken": lazy_gettext("There is an organization with this name already."),
    "own_organization": lazy_gettext("This cannot be done to your own organization."),
    "quota_reached": lazy_gettext("This is more than the quota allows: %(used)s of %(limit)s are used."),
    "address_there": lazy_gettext("This desktop has a floating IP already."),
    "no_address": lazy_gettext("This desktop has no floating IP."),
    "personal_disk_not_found": lazy_gettext("You have no personal disk."),
    "personal_disk_there": lazy_gettext("You have a personal disk already."),
    "personal_disk_limit": lazy_gettext("Personal disks are not offered here."),
    "personal_disk_size": lazy_gettext("A personal disk cannot have this size."),
    "personal_disk_free": lazy_gettext("No desktop has your personal files right now."),
    "personal_disk_connected": lazy_gettext("A desktop has your personal files. Disconnect them first."),
    "personal_disk_being_made": lazy_gettext("Your personal disk is still being made."),
    "disk_snapshot_not_found": lazy_gettext("This snapshot is not there any more."),
    "disk_snapshot_limit_reached": lazy_gettext("Your disk has %(used)s of %(limit)s snapshots. Delete one first."),
    "disk_snapshot_name_taken": lazy_gettext("Another snapshot of your disk has this name."),
    "user_has_personal_disk": lazy_gettext("Say that this person's disk is to be deleted, too."),
    "user_has_desktops": lazy_gettext("Say what happens to this person's desktops."),
    "not_a_service": lazy_gettext("People make their tokens themselves."),
    **REASONS,
}

FIELDS: Mapping[str, LazyString] = {
    **pool_words.FIELDS,
    **rollout_words.FIELDS,
    **schedule_words.FIELDS,
    **lease_words.FIELDS,
    **idle_words.FIELDS,
    **ACCOUNT_FIELDS,
    "public_url": lazy_gettext("Write a gateway's address as wss://HOST:PORT."),
    "internal_url": lazy_gettext("Write a gateway's address as wss://HOST:PORT."),
    "image": lazy_gettext("This image is not offered any more."),
    "person": lazy_gettext("There is no such account."),
    "until": lazy_gettext("A day to come, at most a year from now."),
    "session_seconds": lazy_gettext("Write a whole number."),
    "kib_per_second": lazy_gettext("Write a whole number."),
    "verbs": lazy_gettext("Choose at least one, of those that can be given here."),
    "grants": lazy_gettext("Choose at least one thing that the role may do."),
    "most": lazy_gettext("An amount is a whole number; nothing takes the quota away."),
    "for": lazy_gettext("Say for whom: a person by their address, a group or the organization."),
    "to": lazy_gettext("There is no such account, or it cannot have desktops."),
    "flavor": lazy_gettext("This size does not fit the image, or is not offered any more."),
}

# Sizes are named in the settings; these are the ones they come with.
SIZE_NAMES: Mapping[str, LazyString] = {
    "Small": lazy_gettext("Small"),
    "Medium": lazy_gettext("Medium"),
    "Large": lazy_gettext("Large"),
}
