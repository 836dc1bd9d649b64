"""The settings that people notice: how they sign in, what is written to them, what they may have and do on a screen."""

from typing import Literal

from pydantic import Field

from yunzhuo.phoenix.config.section import Port, Seconds, Section


class AccountSettings(Section):
    """Signing in."""

    registration: Literal["open", "invitation", "closed"] = Field(
        "open", description="Who may make an account: anybody, whoever was invited, or administrators alone."
    )
    session_seconds: Seconds = Field(12 * 3600, description="A sign-in ends after this long.")
    idle_seconds: int = Field(
        0, ge=0, description="A sign-in that nothing was asked with for this long ends; 0: never. Not on remembered browsers."
    )
    remembered_seconds: Seconds = Field(30 * 86400, le=30 * 86400, description="The same where a browser is to be remembered.")
    token_seconds: Seconds = Field(30 * 86400, description="An API token ends after this long, unless something else is said.")
    token_max_seconds: Seconds = Field(366 * 86400, description="The longest that can be said.")
    second_factor: Literal["optional", "administrators", "everybody"] = Field(
        "optional", description="Who has to have a second factor before anything else."
    )
    step_up_seconds: Seconds = Field(
        600, description="Factors can be changed for this long after the password was given again."
    )
    link_seconds: Seconds = Field(3600, description="A link in a mail is worthless after this long.")
    invitation_seconds: Seconds = Field(7 * 86400, description="An invitation is worthless after this long.")
    mails_per_address: int = Field(
        5, ge=1, description="Letters that strangers can have sent to one address in the window below."
    )
    password_min_length: int = Field(10, ge=8, le=128, description="Shortest password taken.")
    attempts_per_account: int = Field(10, ge=1, description="Wrong passwords for one address before a pause.")
    attempts_per_client: int = Field(100, ge=1, description="Wrong passwords from one client address before a pause.")
    attempts_window_seconds: Seconds = Field(900, description="The window in which wrong passwords are counted.")


class MailSettings(Section):
    """Sending mail. Without a server Yunzhuo sends none, and says so where people would wait for one."""

    host: str = Field("", description="The SMTP server; empty: no mail.")
    port: Port = Field(587, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="starttls and tls insist on a certificate that is valid for the host."
    )
    ca_file: str = Field("", description="Certificates to believe in place of the system's.")
    username: str = Field("", description="Name to sign in with; empty: the server asks for none.")
    password_file: str = Field("", description="File that holds the password.")
    sender: str = Field("Yunzhuo <yunzhuo@localhost>", description="Whom mails come from.")
    timeout_seconds: Seconds = Field(15, description="Longest wait for an answer of the server.")


class LimitSettings(Section):
    """What one person may have unless something else is said."""

    desktops_per_user: int = Field(20, ge=0, description="Desktops one user may have.")
    snapshots_per_desktop: int = Field(5, ge=0, description="Snapshots one desktop may have.")
    personal_disk_mib: int = Field(10240, ge=0, le=16777216, description="Largest personal disk, MiB; 0: nobody gets one.")
    snapshots_per_disk: int = Field(5, ge=0, description="Snapshots one personal disk may have.")


class ConsoleSettings(Section):
    """Opening a screen."""

    ticket_seconds: Seconds = Field(60, description="A ticket not used by then is worthless.")
    bind_client_address: bool = Field(
        False, description="Whether a ticket is good only from the address that it was asked for from."
    )
    resume_seconds: int = Field(
        60, ge=0, le=3600, description="A screen whose line broke is got back without a new ticket for this long; 0: never."
    )
    sessions_per_user: int = Field(20, ge=1, description="Screens that one person may have open at once.")
    session_seconds: int = Field(0, ge=0, description="A screen is closed after this long; 0: never.")
    clipboard_to_desktop: bool = Field(True, description="Whether what people copied may be pasted into desktops.")
    clipboard_from_desktop: bool = Field(True, description="Whether what was copied in desktops may be pasted outside.")
    file_transfer: bool = Field(True, description="Whether files may be carried into desktops and out of them.")
    usb: bool = Field(True, description="Whether native viewers may pass USB devices into desktops.")
    kib_per_second: int = Field(0, ge=0, description="Picture and sound that one connection is sent in a second, KiB; 0: any.")
    history_days: int = Field(180, ge=1, description="Sessions that ended longer ago are forgotten.")
    thumbnails: bool = Field(True, description="Small pictures of a person's own desktops in their list.")
    thumbnail_seconds: Seconds = Field(5, description="How old such a picture may be before the screen is looked at again.")


class GuestSettings(Section):
    """What people carry into their desktops and out of them."""

    clipboard_bytes: int = Field(1024 * 1024, ge=1, le=1024 * 1024, description="Longest text between clipboards.")
    file_bytes: int = Field(100 * 1024 * 1024, ge=0, description="Largest file taken into a desktop or out of one.")
    folder_bytes: int = Field(500 * 1024 * 1024, ge=0, description="Largest folder given out as a whole.")
