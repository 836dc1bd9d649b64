// Parts of pages, asked for as htmx asks.

/** The answer for `url`; null when there is none. When the session is over, the window goes to the sign-in page. */
export async function fetchPart(url) {
  const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  const elsewhere = answer?.headers.get("HX-Redirect");
  if (!elsewhere) return answer;
  window.location.assign(elsewhere);
  return null;
}
