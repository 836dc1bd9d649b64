"""What letters say, in each language: a subject, paragraphs, and what the link is called (None: the letter has none).

``%(email)s`` and the like come from the letter's arguments. Pages have their catalog; services write before any page is asked
for, so these sentences stand here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The letters that there are."""

    REGISTER = "register"
    ALREADY_REGISTERED = "already_registered"
    INVITATION = "invitation"
    RESET = "reset"
    CHANGE_ADDRESS = "change_address"
    ADDRESS_CHANGED = "address_changed"
    PASSWORD_CHANGED = "password_changed"  # nosec B105 # a kind of letter, no secret
    FACTORS_CHANGED = "factors_changed"
    GUESSED_AT = "guessed_at"
    DESKTOP_ENDING = "desktop_ending"
    DESKTOP_ENDED = "desktop_ended"
    DESKTOP_RENEWING = "desktop_renewing"
    DESKTOP_IDLE = "desktop_idle"
    LICENSE_ISSUED = "license_issued"  # of a license server, as the next three
    LICENSE_ENDING = "license_ending"
    LICENSE_ENDED = "license_ended"
    LICENSE_MOVED = "license_moved"
    TEST = "test"


class OnScreen(StrEnum):
    """What is shown on a desktop's own screen."""

    ENDING = "ending"
    IDLE = "idle"
    SCREEN_IDLE = "screen_idle"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Words:
    """One letter in one language."""

    subject: str
    paragraphs: tuple[str, ...]
    button: str | None = None


_ONCE = "The link counts once and until %(until)s."
_ONCE_ZH = "链接只能使用一次，有效期至 %(until)s。"
_NOT_YOU = "If this was not you, nothing happens; you need not do anything."
_NOT_YOU_ZH = "如果不是您本人操作，请忽略此邮件，不会有任何变化。"
_ASK = "If this was not you, choose another password at once and tell your administrator."
_ASK_ZH = "如果不是您本人操作，请立即更改密码并告知管理员。"

WORDS: Mapping[str, Mapping[Kind, Words]] = {
    "en": {
        Kind.REGISTER: Words(
            "Your account at Yunzhuo",
            (
                "Somebody, probably you, wants an account with this address.",
                _ONCE,
                _NOT_YOU,
            ),
            "Choose a password",
        ),
        Kind.ALREADY_REGISTERED: Words(
            "You have an account at Yunzhuo already",
            ("Somebody, probably you, wanted to register with this address. There is an account with it already.", _NOT_YOU),
            "Sign in",
        ),
        Kind.INVITATION: Words(
            "You are invited to Yunzhuo",
            ("%(inviter)s invites you to an account of your own.", _ONCE),
            "Choose a password",
        ),
        Kind.RESET: Words(
            "A new password for Yunzhuo",
            (
                "Somebody, probably you, wants a new password for this account.",
                _ONCE,
                _NOT_YOU,
            ),
            "Choose a new password",
        ),
        Kind.CHANGE_ADDRESS: Words(
            "Confirm your new address",
            ("The account %(old)s is to have this address from now on.", _ONCE, _NOT_YOU),
            "Confirm the address",
        ),
        Kind.ADDRESS_CHANGED: Words(
            "Your address at Yunzhuo has changed",
            ("Your account has the address %(new)s from now on; this one is no longer used.", _ASK),
        ),
        Kind.PASSWORD_CHANGED: Words(
            "Your password at Yunzhuo has changed",
            ("The password of your account was changed at %(at)s.", _ASK),
        ),
        Kind.FACTORS_CHANGED: Words(
            "Your second factors at Yunzhuo have changed",
            ("What proves you beside your password was changed at %(at)s.", _ASK),
        ),
        Kind.GUESSED_AT: Words(
            "Somebody guesses at your password",
            (
                "There were %(count)s wrong passwords for your account lately. None of them let anybody in.",
                "Browsers that you have used before still let you in. A second factor makes guessing useless.",
            ),
            "Sign in",
        ),
        Kind.DESKTOP_ENDING: Words(
            "Your desktop “%(desktop)s” ends",
            (
                "Your desktop “%(desktop)s” is taken away at %(until)s.",
                "Copy what you want to keep into your personal files, or put the end off if you still need it.",
            ),
            "See when it ends",
        ),
        Kind.DESKTOP_ENDED: Words(
            "Your desktop “%(desktop)s” is in the bin",
            (
                "The time of your desktop “%(desktop)s” is over. It is stopped, and deleted for good at %(until)s.",
                "Until then you can take it out of the bin.",
            ),
            "Look into the bin",
        ),
        Kind.DESKTOP_RENEWING: Words(
            "Your desktop “%(desktop)s” gets a new system",
            (
                "From %(from)s on, when you are not connected, your desktop “%(desktop)s” gets the image “%(image)s”.",
                "Personal files stay. Everything else on the desktop is replaced: copy what you want to keep before that.",
            ),
            "Open the desktop",
        ),
        Kind.DESKTOP_IDLE: Words(
            "Nobody uses your desktop “%(desktop)s”",
            (
                "Nobody has been connected to “%(desktop)s” for a while. At %(until)s it is switched off or suspended.",
                "Open it before then, and it goes on. You can start it again at any time.",
            ),
            "Open your desktops",
        ),
        Kind.LICENSE_ISSUED: Words(
            "A license for %(installation)s",
            (
                "There is a new license for the installation %(installation)s of %(customer)s. It counts until %(until)s.",
                "An installation that asks the license server gets it by itself within a day; for the others it is a file.",
            ),
            "See the installation",
        ),
        Kind.LICENSE_ENDING: Words(
            "The license of %(installation)s ends soon",
            (
                "The license of the installation %(installation)s of %(customer)s ends on %(until)s, in %(days)s days.",
                "After it what is there goes on for %(grace)s days more, and nothing new can be made. Please renew it.",
            ),
            "See the installation",
        ),
        Kind.LICENSE_ENDED: Words(
            "The license of %(installation)s has ended",
            (
                "The license of the installation %(installation)s of %(customer)s ended on %(until)s.",
                "What is there goes on for %(grace)s days after it, and nothing new can be made. Please renew it.",
            ),
            "See the installation",
        ),
        Kind.LICENSE_MOVED: Words(
            "%(installation)s was moved to another computer",
            (
                "The license of the installation %(installation)s of %(customer)s is another computer's from now on.",
                "On the one before, desktops can be stopped, saved and deleted. If you did not want this, tell us.",
            ),
            "See the installation",
        ),
        Kind.TEST: Words("Yunzhuo can send mail", ("This letter was asked for on the command line.",)),
    },
    "zh_CN": {
        Kind.REGISTER: Words(
            "您的云晫账号",
            ("有人（可能是您）想用此地址注册账号。", _ONCE_ZH, _NOT_YOU_ZH),
            "设置密码",
        ),
        Kind.ALREADY_REGISTERED: Words(
            "您已有云晫账号",
            ("有人（可能是您）想用此地址注册，但此地址已有账号。", _NOT_YOU_ZH),
            "登录",
        ),
        Kind.INVITATION: Words(
            "邀请您使用云晫",
            ("%(inviter)s 邀请您开通自己的账号。", _ONCE_ZH),
            "设置密码",
        ),
        Kind.RESET: Words(
            "重置云晫密码",
            ("有人（可能是您）想为此账号设置新密码。", _ONCE_ZH, _NOT_YOU_ZH),
            "设置新密码",
        ),
        Kind.CHANGE_ADDRESS: Words(
            "请确认您的新地址",
            ("账号 %(old)s 将改用此地址。", _ONCE_ZH, _NOT_YOU_ZH),
            "确认地址",
        ),
        Kind.ADDRESS_CHANGED: Words(
            "您的云晫地址已更改",
            ("您的账号现在使用地址 %(new)s,此地址不再使用。", _ASK_ZH),
        ),
        Kind.PASSWORD_CHANGED: Words("您的云晫密码已更改", ("您的账号密码已于 %(at)s 更改。", _ASK_ZH)),
        Kind.FACTORS_CHANGED: Words("您的云晫两步验证已更改", ("您的账号的两步验证方式已于 %(at)s 更改。", _ASK_ZH)),
        Kind.GUESSED_AT: Words(
            "有人在猜测您的密码",
            (
                "最近您的账号有 %(count)s 次密码错误，均未能登录。",
                "您以前用过的浏览器仍可登录。启用两步验证后，猜到密码也没有用。",
            ),
            "登录",
        ),
        Kind.DESKTOP_ENDING: Words(
            "您的桌面“%(desktop)s”即将到期",
            (
                "您的桌面“%(desktop)s”将于 %(until)s 收回。",
                "请把要保留的内容复制到个人文件；如果还需要使用，请延期。",
            ),
            "查看到期时间",
        ),
        Kind.DESKTOP_ENDED: Words(
            "您的桌面“%(desktop)s”已放入回收站",
            (
                "您的桌面“%(desktop)s”已到期，现已关机，将于 %(until)s 永久删除。",
                "在此之前您可以把它从回收站中还原。",
            ),
            "打开回收站",
        ),
        Kind.DESKTOP_RENEWING: Words(
            "您的桌面“%(desktop)s”将更换系统",
            (
                "自 %(from)s 起，在您未连接时，您的桌面“%(desktop)s”将换用镜像“%(image)s”。",
                "个人文件会保留，桌面上的其他内容都会被替换；请在此之前把要保留的内容复制到个人文件。",
            ),
            "打开桌面",
        ),
        Kind.DESKTOP_IDLE: Words(
            "您的桌面“%(desktop)s”无人使用",
            (
                "您的桌面“%(desktop)s”已有一段时间无人连接，将于 %(until)s 关机或挂起。",
                "在此之前打开它，它就会继续运行。您随时可以再次开机。",
            ),
            "打开我的桌面",
        ),
        Kind.LICENSE_ISSUED: Words(
            "%(installation)s 的许可证",
            (
                "%(customer)s 的实例 %(installation)s 有了新的许可证，有效期至 %(until)s。",
                "会询问许可证服务器的实例将在一天之内自动取得，其他实例请使用文件。",
            ),
            "查看实例",
        ),
        Kind.LICENSE_ENDING: Words(
            "%(installation)s 的许可证即将到期",
            (
                "%(customer)s 的实例 %(installation)s 的许可证将于 %(until)s 到期，还有 %(days)s 天。",
                "到期后现有的还能运行 %(grace)s 天，但不能新建。请续期。",
            ),
            "查看实例",
        ),
        Kind.LICENSE_ENDED: Words(
            "%(installation)s 的许可证已到期",
            (
                "%(customer)s 的实例 %(installation)s 的许可证已于 %(until)s 到期。",
                "到期后现有的还能运行 %(grace)s 天，但不能新建。请续期。",
            ),
            "查看实例",
        ),
        Kind.LICENSE_MOVED: Words(
            "%(installation)s 已换到另一台计算机",
            (
                "%(customer)s 的实例 %(installation)s 的许可证从现在起属于另一台计算机。",
                "在原来的计算机上，桌面只能关闭、保存和删除。如果这不是您的意思，请告诉我们。",
            ),
            "查看实例",
        ),
        Kind.TEST: Words("云晫可以发送邮件", ("此邮件由命令行请求发送。",)),
    },
}

# What is shown on a desktop's own screen, where there are no paragraphs.
SCREEN_MESSAGES: Mapping[str, Mapping[OnScreen, str]] = {
    "en": {
        OnScreen.ENDING: "This desktop is taken away at %(until)s. Save your work; its page lets you put the end off.",
        OnScreen.IDLE: "Nobody uses this desktop. It is switched off or suspended at %(until)s. Press a key, and it goes on.",
        OnScreen.SCREEN_IDLE: "Nobody uses this screen. It is closed at %(until)s. Press a key, and it stays.",
        OnScreen.STOPPING: "This desktop is switched off or suspended at %(until)s. Save your work.",
    },
    "zh_CN": {
        OnScreen.ENDING: "此桌面将于 %(until)s 收回。请保存您的工作；可在它的页面上延期。",
        OnScreen.IDLE: "此桌面无人使用，将于 %(until)s 关机或挂起。按任意键即可继续使用。",
        OnScreen.SCREEN_IDLE: "此画面无人使用，将于 %(until)s 关闭。按任意键即可保留。",
        OnScreen.STOPPING: "此桌面将于 %(until)s 关机或挂起。请保存您的工作。",
    },
}


def on_screen(what: OnScreen, language: str, **arguments: str) -> str:
    """What is shown of ``what`` in a language, in English where there is none such."""
    return SCREEN_MESSAGES.get(language, SCREEN_MESSAGES["en"])[what] % arguments
