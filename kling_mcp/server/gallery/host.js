  // ---- shared by the pages: foreign text, the protocol, and the frame

  // Everything shown is foreign data: it is inserted as text, never as markup.
  const JPEG = /^data:image\/jpeg;base64,[A-Za-z0-9+/]+={0,2}$/;
  const MOST_PICTURE_CHARACTERS = 80000;
  const $ = (id) => document.getElementById(id);
  const object = (value) => (value && typeof value === "object" ? value : {});
  const list = (value) => (Array.isArray(value) ? value : []);
  const say = (text) => { $("status").textContent = text; };
  let page = {}, host = {}, box = {}, asked = {}, ended = false;

  /** One line of text without control, direction or invisible characters. */
  function plain(value, limit) {
    const text = typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
    return text.slice(0, limit * 2).replace(/[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/gu, " ").trim().slice(0, limit);
  }

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text) { node.textContent = text; node.dir = "auto"; }
    return node;
  }

  function notes(lines, limit = 300) {
    const texts = lines.map((line) => plain(line, limit)).filter(Boolean);
    $("notes").replaceChildren(...texts.map((text) => make("li", "", text)));
    $("notes").hidden = !texts.length;
  }

  const isPicture = (source) => typeof source === "string" && source.length <= MOST_PICTURE_CHARACTERS && JPEG.test(source);
  const errorOf = (result) => plain(list(result.content).map((block) => object(block).text || "").join(" "), 400);

  // JSON-RPC over postMessage

  let lastId = 0;
  const waiting = new Map();
  const post = (message) => { if (!ended) parent.postMessage({ jsonrpc: "2.0", ...message }, "*"); };
  const notify = (method, params) => post({ method, params: params || {} });
  const request = (method, params) => new Promise((resolve, reject) => {
    const id = ++lastId;
    waiting.set(id, { resolve, reject });
    post({ id, method, params });
  });

  addEventListener("message", (event) => {
    const message = event.data;
    if (event.source !== parent || !message || message.jsonrpc !== "2.0") return;
    if (message.method === undefined) return settle(message);
    const params = message.params || {};
    if (message.id !== undefined) return answer(message);
    if (message.method === "ui/notifications/tool-input") asked = object(params.arguments);
    else if (message.method === "ui/notifications/tool-result") page.show(params);
    else if (message.method === "ui/notifications/tool-cancelled") say(page.cancelled);
    else if (message.method === "ui/notifications/host-context-changed") adapt(params);
  });

  function settle(message) {
    const waiter = waiting.get(message.id);
    if (!waiter) return;
    waiting.delete(message.id);
    if (message.error) waiter.reject(new Error(plain(message.error.message, 200)));
    else waiter.resolve(object(message.result));
  }

  function answer(message) {
    const isKnown = message.method === "ping" || message.method === "ui/resource-teardown";
    post(isKnown ? { id: message.id, result: {} } : { id: message.id, error: { code: -32601, message: "Method not found" } });
    if (message.method === "ui/resource-teardown") end();
  }

  function end() {
    ended = true;
    page.seen.disconnect();
    sized.disconnect();
    waiting.clear();
  }

  function adapt(context) {
    const root = document.documentElement;
    if (context.theme === "light" || context.theme === "dark") root.style.colorScheme = context.theme;
    for (const [name, value] of Object.entries(object(object(context.styles).variables)))
      if (/^--[a-z0-9-]+$/.test(name) && typeof value === "string" && !/url\(/i.test(value)) root.style.setProperty(name, value);
    if (context.containerDimensions) box = object(context.containerDimensions);
    if (typeof context.locale === "string") root.lang = plain(context.locale, 20);
    fit();
  }

  /** The content scrolls in the space that the rest of the frame leaves. */
  function fit() {
    const most = box.height > 0 ? box.height : Math.min(box.maxHeight > 0 ? box.maxHeight : Infinity, 620);
    const others = document.body.getBoundingClientRect().height - $("room").offsetHeight;
    document.documentElement.style.setProperty("--room", Math.max(160, Math.floor(most - others)) + "px");
  }

  /** Say this to the assistant in the person's name; where that is not possible, it can be copied. */
  async function tell(text) {
    try {
      const result = await request("ui/message", { role: "user", content: [{ type: "text", text }] });
      if (result.isError) throw new Error("refused");
      $("copy").hidden = true;
      say("Sent to the conversation.");
    } catch {
      say("This client does not accept messages from this page. Copy the text below.");
      $("copy").value = text;
      $("copy").hidden = false;
      $("copy").focus();
      $("copy").select();
    }
  }

  const sized = new ResizeObserver(() => {
    fit();
    notify("ui/notifications/size-changed", {
      width: Math.ceil(document.documentElement.scrollWidth), height: Math.ceil(document.body.getBoundingClientRect().height),
    });
  });

  /** Start; `what` has name, show(result), seen (an observer) and what to say if the call is cancelled. */
  function begin(what) {
    page = what;
    request("ui/initialize", {
      protocolVersion: "2026-01-26", appInfo: { name: page.name, version: "1.0.0" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    }).then((result) => {
      host = object(result.hostCapabilities);
      adapt(object(result.hostContext));
      notify("ui/notifications/initialized");
      sized.observe(document.body);
    }, () => say("This client does not show this page."));
  }
