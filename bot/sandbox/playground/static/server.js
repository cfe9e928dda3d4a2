// Requests to the playground's own server.

// Resolves to the server's answer, or to a `notice` for the person if there is none.
export async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(response.statusText);
    return await response.json();
  } catch (error) {
    // fetch() itself fails with a TypeError when no server listens.
    return { notice: error instanceof TypeError ? 'Not sent: the playground is not running.' : 'The playground could not do that.' };
  }
}

// Resolves to the state for this person: null without an answer, undefined for somebody unknown.
export async function stateFor(person) {
  const response = await fetch(`/state?person=${person}`).catch(() => null);
  return response && (response.ok ? response.json() : undefined);
}
