// The portal asked about the inside of the desktop: every answer, or a refusal with words for the person.

export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** The answer to a request of this page. Throws Refusal; AbortError when it was called off, TypeError without a line. */
export async function ask(url, { method = "GET", body, headers = {}, signal } = {}) {
  const token = document.querySelector("meta[name=csrf-token]").content;
  const answer = await fetch(url, {
    method,
    body,
    signal,
    redirect: "error",
    headers: { Accept: "application/json, application/problem+json", "X-CSRFToken": token, ...headers },
  });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => null);
  throw new Refusal(answer.status, problem?.detail);
}
