// Passkeys: the browser's authenticator makes or uses one, and the form carries what it answered.

export function followPasskeys() {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!window.PublicKeyCredential) continue;
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      if (form.elements.credential.value) return;
      event.preventDefault();
      ask(form);
    });
  }
}

async function ask(form) {
  const problem = form.querySelector("[role=alert]");
  problem.hidden = true;
  try {
    const options = await optionsFor(form);
    if (!options) return;
    const credential = await (form.dataset.passkey === "create"
      ? navigator.credentials.create({ publicKey: forCreation(options) })
      : navigator.credentials.get({ publicKey: forUse(options) }));
    form.elements.credential.value = JSON.stringify(asJson(credential));
    form.requestSubmit();
  } catch {
    problem.hidden = false; // the person said no, or there is no such passkey: which of both browsers do not tell
  }
}

/** What the server wants signed; null when it sent the window elsewhere. */
async function optionsFor(form) {
  const token = form.elements.csrf_token.value;
  const answer = await fetch(form.dataset.options, { method: "POST", headers: { "X-CSRFToken": token, "HX-Request": "true" } });
  const elsewhere = answer.headers.get("HX-Redirect");
  if (elsewhere) {
    window.location.assign(elsewhere);
    return null;
  }
  if (!answer.ok) throw new Error(`options: ${answer.status}`);
  return answer.json();
}

function forCreation(options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: withBytes(options.excludeCredentials),
  };
}

function forUse(options) {
  return { ...options, challenge: bytes(options.challenge), allowCredentials: withBytes(options.allowCredentials) };
}

function withBytes(credentials = []) {
  return credentials.map((credential) => ({ ...credential, id: bytes(credential.id) }));
}

/** WebAuthn level 3, section 5.1, "toJSON": written out, because browsers of last year do not have it. */
function asJson(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

function bytes(base64url) {
  const plain = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
