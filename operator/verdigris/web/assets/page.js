// Draws the page anew when the server says that it has changed. Without this file one reloads.
"use strict";
(() => {
  const main = document.getElementById("content");
  const address = main.dataset.live;
  if (!address) return;
  let busy = false, again = false;

  // What a person has opened, typed or reached by the keyboard stays as it is.
  const isInUse = () => {
    const active = document.activeElement;
    return active && active.closest && active.closest("form") !== null && main.contains(active);
  };
  const opened = () => Array.from(main.querySelectorAll("details[open]"), place);
  const place = (element) => (element.id ? "#" + element.id : element.querySelector("summary").textContent);
  const reachable = () => Array.from(main.querySelectorAll("a, button, input, summary, [tabindex='0']"));

  const redraw = async () => {
    if (busy || isInUse()) { again = true; return; }
    busy = true; again = false;
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin", redirect: "error" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("content");
      if (fresh && !isInUse()) {
        const open = new Set(opened());
        const typed = new Map(Array.from(main.querySelectorAll("input[id]"), (one) => [one.id, one.value]));
        const at = reachable().indexOf(document.activeElement);
        main.replaceChildren(...fresh.childNodes);
        for (const one of main.querySelectorAll("details")) if (open.has(place(one))) one.open = true;
        for (const one of main.querySelectorAll("input[id]")) if (typed.has(one.id)) one.value = typed.get(one.id);
        if (at >= 0 && reachable()[at]) reachable()[at].focus({ preventScroll: true });
      }
    } catch {
      // The next event tries again; the page says what it knew.
    } finally {
      busy = false;
      if (again && !isInUse()) redraw();
    }
  };
  main.addEventListener("focusout", () => { if (again) setTimeout(redraw, 0); });
  let source = null;
  const listen = () => {
    source = new EventSource(address);
    source.addEventListener("changed", redraw);
    // It is closed for good when the server says no: one has to sign in again, or the page says what is wrong.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED && !isInUse()) setTimeout(() => location.reload(), 5000);
    });
  };
  document.addEventListener("visibilitychange", () => {
    // A page that nobody looks at asks for nothing.
    if (document.hidden) { source.close(); } else { listen(); }
  });
  addEventListener("pagehide", () => source.close());
  listen();
})();
