// The right to open the screen once: asked of the portal before every connection.

const STATUS = { created: 201, badRequest: 400, unauthorized: 401, notFound: 404, conflict: 409, serverError: 500 };

/**
 * What the portal answers, by kind:
 *   granted {connection}     url, ticket and subprotocol
 *   unavailable              the desktop's screen cannot be opened in its present state
 *   refused {reason, code}   it may not be opened
 *   gone, signedOut          no such desktop, no session
 *   stale                    this page is from an earlier session: its token counts no more
 *   broken                   no answer, or one of trouble: may be tried again
 */
export async function requestConnection(url, protocol = "vnc") {
  const answer = await ask(url, protocol);
  if (!answer) return { kind: "broken" };
  const content = await answer.json().catch(() => null);
  if (answer.status === STATUS.created && content) return { kind: "granted", connection: content };
  if (answer.status === STATUS.badRequest) return { kind: "stale" };
  if (answer.status === STATUS.unauthorized) return { kind: "signedOut" };
  if (answer.status === STATUS.notFound) return { kind: "gone" };
  if (answer.status === STATUS.conflict && content?.code === "desktop_not_available") return { kind: "unavailable" };
  if (answer.status >= STATUS.serverError || !content) return { kind: "broken" };
  return { kind: "refused", reason: content.detail, code: content.code };
}

function ask(url, protocol) {
  return fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/json, application/problem+json",
      "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content,
    },
    body: JSON.stringify({ protocol }),
    redirect: "error",
  }).catch(() => null);
}
