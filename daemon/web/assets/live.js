// Keeps the page as the gateway is. The server renders every part; this puts what has changed in place, node by node, so that focus, selection,
// scroll position and open details stay.
"use strict";
(() => {
  const state = document.getElementById("connection");
  const devices = document.getElementById("devices");
  const say = (word, text) => {
    state.className = "connection " + word;
    if (state.textContent !== text) state.textContent = text;
  };

  // patch makes the old node like the new one and keeps as much of it as it can.
  function patch(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    const kept = (name) => old.nodeName === "DETAILS" && name === "open"; // whoever reads has opened it
    for (const a of [...old.attributes]) if (!fresh.hasAttribute(a.name) && !kept(a.name)) old.removeAttribute(a.name);
    for (const a of fresh.attributes) if (old.getAttribute(a.name) !== a.value && !kept(a.name)) old.setAttribute(a.name, a.value);
    const was = [...old.childNodes], is = [...fresh.childNodes];
    is.forEach((node, i) => (i < was.length ? patch(was[i], node) : old.append(node)));
    was.slice(is.length).forEach((node) => node.remove());
  }

  function show(update) {
    for (const part of update.parts) {
      const box = document.createElement("template");
      box.innerHTML = part.html;
      const fresh = box.content.firstElementChild, old = document.getElementById(part.id);
      if (old) patch(old, fresh);
      else devices.append(fresh);
    }
    const wanted = update.order.filter((id) => id !== "top");
    for (const section of [...devices.children]) if (!wanted.includes(section.id)) section.remove();
    wanted.forEach((id, i) => {
      const section = document.getElementById(id);
      if (devices.children[i] !== section) devices.insertBefore(section, devices.children[i]);
    });
  }

  let source, timer;
  function connect() {
    source = new EventSource(document.body.dataset.events);
    source.onopen = () => say("live", "live");
    source.onmessage = (event) => show(JSON.parse(event.data));
    source.onerror = () => {
      say("lost", "Connection lost. What you see is old; the page tries again by itself.");
      if (source.readyState === EventSource.CLOSED) { // an answer that was no stream: the browser itself would not try again
        clearTimeout(timer);
        timer = setTimeout(connect, 5000);
      }
    };
  }
  addEventListener("pagehide", () => { clearTimeout(timer); source.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  connect();
})();
