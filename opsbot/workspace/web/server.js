// What the page asks of the workspace, always in the name of the person chosen.

const AWAY = "The workspace does not answer. Is `opsbot workspace` (or `opsbot up`) still running?";

// Answers {ok, error?, …}; it never throws.
export async function ask(user, path, content) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user, ...content }),
    });
    if (!answer.ok) return { ok: false, error: (await answer.text()) || `The workspace answered ${answer.status}.` };
    return await answer.json();
  } catch {
    return { ok: false, error: AWAY };
  }
}

export async function readState() {
  const answer = await fetch("/ui/state");
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`the workspace answered ${answer.status}`);
  return answer.json();
}
