"""Letters: written with their reason, sent by a job to a real SMTP server, tried again, never with a foreign head."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.installation import Installation, installation
from tests.support.mail_server import MailServer, mail_server

from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.common.errors import InvalidInput, Unavailable, YunzhuoError
from yunzhuo.phoenix.config.people_settings import MailSettings
from yunzhuo.phoenix.mail import Letter, Mailer
from yunzhuo.services import letters
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.letter_words import WORDS, Kind


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def posted(server: MailServer, tmp_path: Path) -> Iterator[Installation]:
    """An installation that sends mail."""
    server.letters.clear()
    server.recipients.clear()
    server.answer, server.refused = "250 OK", set()
    mail = {"host": "127.0.0.1", "port": server.port, "security": "none", "sender": "云晫 <no-reply@school.local>"}
    with installation(tmp_path / "home", mail=mail) as installed:
        yield installed


@pytest.fixture
def boss(posted: Installation) -> Actor:
    return posted.person("boss", Role.ADMINISTRATOR)


def deliver(yunzhuo: Installation) -> int:
    """What the job does with every letter that is due; answers how many there were."""
    due = yunzhuo.services.outbox.due()
    for mail_id in due:
        yunzhuo.services.outbox.send(mail_id)
    return len(due)


def test_a_letter_is_sent_once_in_the_language_of_its_reader(posted: Installation, boss: Actor, server: MailServer) -> None:
    posted.services.registration.invite(boss, "wang@school.local", Role.USER, language="zh_CN")
    (mail_id,) = posted.services.outbox.due()
    posted.services.outbox.send(mail_id)
    posted.services.outbox.send(mail_id)
    assert deliver(posted) == 0
    (letter,) = server.letters
    assert server.recipients == ["wang@school.local"]
    assert (letter["To"], letter["From"]) == ("wang@school.local", "云晫 <no-reply@school.local>")
    assert letter["Subject"] == "邀请您使用云晫"
    assert "boss@school.local 邀请您" in server.text()
    assert "http://localhost:8080/welcome?proof=" in server.text()
    assert '<a href="http://localhost:8080/welcome?proof=' in server.html()
    assert 'lang="zh-CN"' in server.html()


def test_what_was_rolled_back_is_never_sent(posted: Installation, boss: Actor) -> None:
    posted.person("wang")
    with pytest.raises(Exception, match="already"):
        posted.services.registration.invite(boss, "wang@school.local", Role.USER)
    assert deliver(posted) == 0


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    posted: Installation, boss: Actor, server: MailServer
) -> None:
    server.answer, server.refused = "451 come again", {"nobody@school.local"}
    posted.services.registration.invite(boss, "wang@school.local", Role.USER)
    posted.services.registration.invite(boss, "nobody@school.local", Role.USER)
    assert deliver(posted) == 2
    assert deliver(posted) == 0
    posted.pass_time(31)
    assert deliver(posted) == 1
    posted.pass_time(31)
    assert deliver(posted) == 0
    posted.pass_time(31)
    server.answer = "250 OK"
    assert deliver(posted) == 1
    assert server.recipients == ["wang@school.local"]
    posted.pass_time(3 * 86400)
    assert deliver(posted) == 0


def test_a_server_that_never_comes_back_is_given_up_after_two_days(
    posted: Installation, boss: Actor, server: MailServer
) -> None:
    posted.services.registration.invite(boss, "wang@school.local", Role.USER)
    server.answer = "451 come again"
    posted.pass_time(2 * 86400)
    assert deliver(posted) == 1
    server.answer = "250 OK"
    posted.pass_time(2 * 86400)
    assert deliver(posted) == 0
    assert server.letters == []


def test_a_worker_that_died_in_the_middle_leaves_the_letter_to_another(posted: Installation, boss: Actor) -> None:
    posted.services.registration.invite(boss, "wang@school.local", Role.USER)
    (mail_id,) = posted.services.outbox.due()
    assert posted.services.outbox.claim(mail_id) is not None
    assert deliver(posted) == 0
    posted.pass_time(121)
    assert deliver(posted) == 1


def test_a_withdrawn_invitation_is_not_sent_any_more(posted: Installation, boss: Actor, server: MailServer) -> None:
    made = posted.services.registration.invite(boss, "wang@school.local", Role.USER)
    assert made.link is None
    posted.services.registration.withdraw(boss, made.id)
    assert deliver(posted) == 1
    assert server.letters == []


def test_no_secret_of_a_link_is_kept(posted: Installation, boss: Actor, server: MailServer) -> None:
    posted.services.registration.invite(boss, "wang@school.local", Role.USER)
    deliver(posted)
    kept = posted.everything_stored()
    assert "wang@school.local" in kept
    assert server.proof() not in kept


@pytest.mark.parametrize(
    "address",
    [
        "x@school.local\r\nBcc: evil@example.com",
        "x@school.local\nSubject: hi",
        "x@school.local, y@example.com",
        "x <y@z.local>",
    ],
)
def test_no_address_brings_a_head_or_another_reader(posted: Installation, server: MailServer, address: str) -> None:
    for ask in (posted.services.registration.request, posted.services.regaining.request_reset):
        with pytest.raises(InvalidInput):
            ask(address)
    mailer = Mailer(posted.settings.mail, SystemClock())
    with pytest.raises(InvalidInput):
        mailer.send(address, Letter("s", "t", "h"), language="en", message_id="1")
    assert server.letters == []


def test_no_subject_or_inviter_brings_a_head(posted: Installation, boss: Actor, server: MailServer) -> None:
    mailer = Mailer(posted.settings.mail, SystemClock())
    with pytest.raises(InvalidInput):
        mailer.send("x@school.local", Letter("hi\r\nBcc: evil@example.com", "t", "h"), language="en", message_id="1")
    written = letters.write(Kind.INVITATION, "en", {"inviter": "<script>\r\nBcc: x@y.z", "until": "soon"}, "http://x/?a=1&b=2")
    mailer.send("x@school.local", written, language="en", message_id="2")
    (letter,) = server.letters
    assert letter["Bcc"] is None
    assert "&lt;script&gt;" in server.html()
    assert 'href="http://x/?a=1&amp;b=2"' in server.html()


def test_every_letter_is_there_in_every_language_with_the_same_values() -> None:
    arguments = {"until": "U", "inviter": "I", "old": "O", "new": "N", "at": "A", "count": "C"}
    arguments |= {"installation": "L", "customer": "S", "days": "D", "grace": "G", "desktop": "K", "from": "F", "image": "M"}
    for kind in Kind:
        said = {language: letters.write(kind, language, arguments, "http://x/") for language in WORDS}
        shapes = {
            language: (sorted(set(" ".join(words[kind].paragraphs).split("%(")[1:])) != [], words[kind].button is None)
            for language, words in WORDS.items()
        }
        assert len(set(shapes.values())) == 1, kind
        assert all("%(" not in letter.text + letter.subject for letter in said.values())
        assert len({letter.subject for letter in said.values()}) == len(WORDS)


def test_starttls_insists_on_a_certificate_that_is_valid(tmp_path: Path) -> None:
    certificate, context = _certificate(tmp_path)
    with mail_server(tls=context) as server:
        trusting = MailSettings(host="127.0.0.1", port=server.port, ca_file=str(certificate))
        letter = Letter("s", "t", "h")
        Mailer(trusting, SystemClock()).send("x@school.local", letter, language="en", message_id="1")
        for changed in ({"ca_file": ""}, {"security": "none"}):
            mailer = Mailer(trusting.model_copy(update=changed), SystemClock())
            with pytest.raises(YunzhuoError) as refusal:
                mailer.send("x@school.local", letter, language="en", message_id="2")
            assert refusal.value.code.startswith("mail_")
        assert len(server.letters) == 1


def test_no_server_at_all_is_told(tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        made = yunzhuo.services.registration.invite(boss, "wang@school.local", Role.USER)
        assert made.link is not None
        assert yunzhuo.services.outbox.due() == []
    nowhere = Mailer(MailSettings(host="127.0.0.1", port=1, security="none"), SystemClock())
    with pytest.raises(Unavailable):
        nowhere.send("x@school.local", Letter("s", "t", "h"), language="en", message_id="1")


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1, and a server's context with it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key_file)
    return certificate, context
