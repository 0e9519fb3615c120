// Changes as they happen. After a break everything is read anew, so nothing that happened meanwhile is missed.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

export function follow({ onOpen, onChange, onLost }) {
  let pause = FIRST_PAUSE_MS;

  function connect() {
    const connection = new WebSocket(`ws${location.protocol === "https:" ? "s" : ""}://${location.host}/ui/live`);
    // What changes while everything is being read waits, or the reading would undo it.
    let waiting = [];
    connection.addEventListener("open", async () => {
      try {
        await onOpen();
        pause = FIRST_PAUSE_MS;
        waiting.forEach(onChange);
        waiting = null;
      } catch {
        connection.close();
      }
    });
    connection.addEventListener("message", (event) => {
      const change = JSON.parse(event.data);
      if (waiting) waiting.push(change);
      else onChange(change);
    });
    connection.addEventListener("close", () => {
      onLost();
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    });
  }

  connect();
}
