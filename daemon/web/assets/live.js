// Keeps the page as the gateway is. The server renders every part; this puts what has changed in place, node by node, so that focus, selection,
// scroll position and open details stay.
"use strict";
(() => {
  const state = document.getElementById("connection");
  const devices = document.getElementById("devices");
  const say = (text) => { if (state.textContent !== text) state.textContent = text; };

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
    for (const a of [...old.attributes]) {
      if (!fresh.hasAttribute(a.name) && !(old.nodeName === "DETAILS" && a.name === "open")) old.removeAttribute(a.name);
    }
    for (const a of fresh.attributes) {
      if (old.getAttribute(a.name) !== a.value && !(old.nodeName === "DETAILS" && a.name === "open")) old.setAttribute(a.name, a.value);
    }
    if (old.classList.contains("spark")) return; // its picture is drawn below
    const was = [...old.childNodes], is = [...fresh.childNodes];
    is.forEach((node, i) => (i < was.length ? patch(was[i], node) : old.append(node)));
    was.slice(is.length).forEach((node) => node.remove());
  }

  // draw makes a line of the last latencies. The number beside it says the same in words.
  function draw(root) {
    for (const span of root.querySelectorAll(".spark")) {
      if (span.dataset.drawn === span.dataset.spark) continue;
      span.dataset.drawn = span.dataset.spark;
      const values = span.dataset.spark.split(" ").filter(Boolean).map(Number);
      const top = Math.max(...values, 1e-9);
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 96 20");
      const line = document.createElementNS(svg.namespaceURI, "polyline");
      line.setAttribute("points", values.map((v, i) => `${((i + 32 - values.length) * 96 / 31).toFixed(1)},${(18 - 16 * v / top).toFixed(1)}`).join(" "));
      svg.append(line);
      span.replaceChildren(...(values.length > 1 ? [svg] : []));
    }
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
    draw(document);
  }

  let source, timer;
  function connect() {
    source = new EventSource(document.body.dataset.events);
    source.onopen = () => say("");
    source.onmessage = (event) => show(JSON.parse(event.data));
    source.onerror = () => {
      say("Connection lost. What you see is old; the page tries again by itself.");
      if (source.readyState === EventSource.CLOSED) { // an answer that was no stream: the browser itself would not try again
        clearTimeout(timer);
        timer = setTimeout(connect, 5000);
      }
    };
  }
  addEventListener("pagehide", () => { clearTimeout(timer); source.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  draw(document);
  connect();
})();
