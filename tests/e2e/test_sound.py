"""A tone played inside a desktop is heard in the page: its samples are recorded there."""

import io
import math
import secrets
import struct
import wave

import pytest
from playwright.sync_api import Page, expect
from tests.support.running import PASSWORD, Running
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds

pytestmark = [
    pytest.mark.machine,
    pytest.mark.browser,
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("e2e"),
]

RATE, HERTZ, SECONDS = 8000, 440, 30
LOUD = 0.02

# Listens to whatever plays in #sound until the tone is heard loud, at most 30 s. Answers how loud (RMS, 1 is full) and at which
# frequency it was last: a machine that is slow plays with gaps at first.
LISTEN = """async ([loud, hertz]) => {
    const context = new AudioContext(), ear = context.createAnalyser(), known = new Set()
    ear.fftSize = 8192
    ear.connect(context.destination)
    const samples = new Float32Array(ear.fftSize), spectrum = new Float32Array(ear.frequencyBinCount)
    const end = performance.now() + 30_000
    let heard = { rms: 0, hertz: 0 }
    while (performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        for (const player of document.querySelectorAll('#sound audio')) {
            if (known.has(player)) continue
            known.add(player)
            context.createMediaElementSource(player).connect(ear)
        }
        ear.getFloatTimeDomainData(samples)
        const rms = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length)
        if (rms < loud) continue
        ear.getFloatFrequencyData(spectrum)
        heard = { rms, hertz: spectrum.indexOf(Math.max(...spectrum)) * context.sampleRate / ear.fftSize }
        if (Math.abs(heard.hertz - hertz) < 20) break
    }
    return heard
}"""


def test_a_tone_is_heard(yunzhuo: Running, page: Page) -> None:
    email = f"listener-{secrets.token_hex(4)}@school.local"
    api = yunzhuo.api(yunzhuo.add_user(email))
    wish = {kind.rstrip("s"): api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
    desktop_id = api.post("desktops", json=wish).json()["desktop"]["id"]
    eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", 120)
    page.goto(f"{yunzhuo.url}/sign-in?next=/desktops/{desktop_id}")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=60_000)

    switch = page.locator("#sound-switch")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.focus()
    page.keyboard.press("Enter")
    expect(switch).to_have_attribute("aria-pressed", "true")
    play(yunzhuo, desktop_id)
    heard = page.evaluate(LISTEN, [LOUD, HERTZ])
    assert heard["rms"] >= LOUD
    assert abs(heard["hertz"] - HERTZ) < 20

    switch.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#sound audio")).to_have_count(0)
    assert api.delete(f"desktops/{desktop_id}").status_code == 202


def play(yunzhuo: Running, desktop_id: str) -> None:
    """Begin to play a tone in the person's session."""
    tone = io.BytesIO()
    with wave.open(tone, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(
            b"".join(struct.pack("<h", int(12000 * math.sin(2 * math.pi * HERTZ * n / RATE))) for n in range(RATE * SECONDS))
        )
    cloud = clouds.connect(yunzhuo.settings())
    try:
        server = cloud.servers.find(desktop_id)
        assert server is not None
        cloud.guest.write_file(server.id, "/tmp/tone.wav", tone.getvalue())
        cloud.guest.run(server.id, ["/bin/sh", "-c", "/etc/desktop/as-user paplay /tmp/tone.wav >/dev/null 2>&1 &"])
    finally:
        cloud.close()
