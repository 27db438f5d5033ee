  // ---- the page of videos and pictures: what is known of them

  const KEY = "io.github.kling-mcp/results";
  const HOSTS = ["klingai.com", "kechuangai.com"];
  const MOST_CARDS = 500, MOST_FILES = 20, MOST_AT_ONCE = 20, DAY = 86400000;
  const STATES = { __proto__: null, succeed: "ready", ready: "ready", failed: "failed", submitted: "pending", processing: "pending", pending: "pending", unknown: "unknown" };
  const WORDS = { ready: "Ready", pending: "Not ready yet", failed: "Failed", unknown: "State not known", price: "Price only: nothing was sent" };
  const SOUND = { __proto__: null, off: "no sound", native: "with sound", original: "original sound" };
  const cards = [], others = new Map();
  let requests = Object.create(null), pictures = Object.create(null);
  let cursor = "", total = 0, saves = false, source = "";

  /** A row of any of the tools; `source` says of which. */
  function read(raw) {
    const id = plain(raw.task_id, 128), external = plain(raw.external_task_id, 128);
    const stored = object(requests[id]), isStored = Object.keys(stored).length > 0;
    const its = isStored || source !== "call" ? stored : asked, settings = object(its.settings || (isStored ? {} : its));
    const state = STATES[plain(raw.status || raw.task_status, 20)] || "unknown";
    return {
      id, external, kind: raw.kind === "video" ? "video" : "image", isKnown: isStored || source === "call",
      state: id || source !== "call" ? state : external ? "pending" : "price",
      why: plain(raw.task_status_msg, 300), prompt: plain(its.prompt, 2500) || plain(raw.prompt, 2500),
      model: plain(its.model, 60) || plain(raw.model, 60), take: Number(plain(its.take, 6)) || Number(raw.take) || 1,
      elements: list(its.elements || raw.elements).slice(0, 20).map((name) => plain(name, 60)).filter(Boolean),
      settings: Object.fromEntries(["duration", "aspect_ratio", "resolution", "audio", "count"].map((name) => [name, plain(settings[name], 20)]).filter(([, value]) => value)),
      estimated: plain(raw.units_estimated, 40), deducted: plain(raw.units_deducted, 20), units: plain(raw.units, 20),
      made: Date.parse(plain(raw.created_at, 40)), warnings: list(raw.warnings).slice(0, 8).map((text) => plain(text, 300)).filter(Boolean),
      files: list(raw.files).slice(0, MOST_FILES).map((file) => readFile(object(file))),
    };
  }

  function readFile(raw) {
    const file = { path: plain(raw.path, 1000), url: link(raw.url), ends: Date.parse(plain(raw.expires_at, 40)), isElsewhere: Boolean(raw.url) };
    file.hasEnded = file.ends <= Date.now();
    file.isLive = Boolean(file.url) && !file.hasEnded;
    file.small = isPicture(pictures[raw.path]) ? pictures[raw.path] : "";
    return file;
  }

  /** The link, if it is one of Kling's; else "". The policy of the page holds the same. */
  function link(text) {
    if (typeof text !== "string" || text.length > 8192 || !URL.canParse(text)) return "";
    const { protocol, hostname, port, username, password } = new URL(text);
    const isKlings = HOSTS.some((name) => hostname === name || hostname.endsWith("." + name));
    return protocol === "https:" && isKlings && !port && !username && !password ? text : "";
  }

  function show(result, isMore) {
    if (result.isError) return say(errorOf(result) || "The call failed.");
    const data = object(result.structuredContent), meta = object(object(result._meta)[KEY]);
    if (!isMore) reset();
    Object.assign(requests, object(meta.requests));
    Object.assign(pictures, object(meta.pictures));
    saves = meta.saves === true;
    if (!source) source = Array.isArray(data.generations) ? "search" : Array.isArray(data.tasks) ? "wait" : "call";
    for (const raw of list(data.generations || data.tasks || [data])) put(object(raw));
    if (data.generations) {
      cursor = plain(data.next_cursor, 500);
      total = Number.isInteger(data.total) ? data.total : cards.length;
      if (!isMore) notes(list(data.notes));
    }
    settled();
  }

  function reset() {
    cards.length = 0;
    requests = Object.create(null);
    pictures = Object.create(null);
    source = cursor = "";
    total = 0;
    $("cards").replaceChildren();
    others.clear();
    $("others").replaceChildren();
    $("copy").hidden = true;
  }

  /** Add a row, or put it in place of the one that it continues. */
  function put(raw) {
    if (raw.kind !== "video" && raw.kind !== "image") return other(raw);
    const row = read(raw);
    const known = cards.find((one) => (row.id && one.row.id === row.id) || (row.external && one.row.external === row.external));
    if (!known && cards.length >= MOST_CARDS) return;
    const entry = { row: known ? continued(known.row, row) : row, place: 0, item: null };
    draw(entry);
    if (!known) {
      cards.push(entry);
      return $("cards").append(entry.item);
    }
    const hadFocus = known.item.contains(document.activeElement);
    known.item.replaceWith(entry.item);
    cards[cards.indexOf(known)] = entry;
    if (hadFocus) entry.item.querySelector("button")?.focus();
  }

  /** A wait repeats less than a search or the first call had said. */
  function continued(before, row) {
    const kept = Object.entries(row).filter(([, value]) => value && !(typeof value === "object" && !Object.keys(value).length));
    return { ...before, ...Object.fromEntries(kept), take: Math.max(before.take, row.take), files: row.files, warnings: row.warnings };
  }

  /** A task of another kind, in a line. */
  function other(raw) {
    const names = list(raw.elements).slice(0, 5).map((one) => plain(object(one).element_name, 60)).filter(Boolean);
    const ids = [...list(raw.element_ids), raw.voice_id].map((id) => plain(id, 80)).filter(Boolean);
    const kind = plain(raw.kind, 20), state = STATES[plain(raw.task_status, 20)] || "unknown";
    const id = plain(raw.task_id, 128) || plain(raw.external_task_id, 128);
    if (!kind || !id || others.size >= MOST_CARDS) return;
    const text = [kind + (names.length ? " " + names.join(", ") : ""), WORDS[state], plain(raw.task_status_msg, 200), ids.join(", ") || "task " + id];
    others.set(id, { state, item: make("li", "fact", text.filter(Boolean).join(" · ")) });
    $("others").replaceChildren(...[...others.values()].map(({ item }) => item));
  }

  function settled() {
    const open = unfinished().length;
    $("cards").classList.toggle("one", cards.length === 1);
    $("others").hidden = !others.size;
    $("empty").hidden = Boolean(cards.length) || !$("others").hidden;
    $("check").hidden = !open || !host.serverTools;
    $("more").hidden = !cursor || !host.serverTools || cards.length >= MOST_CARDS;
    const count = cards.length + others.size;
    const shown = source === "search" ? cards.length + " of " + total + " shown" : count === 1 && cards.length ? WORDS[cards[0].row.state] : count + (count === 1 ? " task" : " tasks");
    say(shown + (open && count > 1 ? "; " + open + " not ready yet" : "") + (open && !host.serverTools ? ". Ask the assistant to wait for it." : ""));
  }

  // ---- what is shown

  function draw(entry) {
    const { row } = entry, about = make("div", "about");
    entry.item = make("li", "card");
    const media = row.state === "price" ? "" : mediaOf(entry);
    about.append(...[
      fact("prompt", row.prompt), row.elements.length && fact("fact", "With " + row.elements.join(", ")), fact("fact", settingsOf(row)), (row.state !== "failed" || row.deducted) && fact("fact", priceOf(row)),
      row.state !== "ready" && fact(row.state === "failed" ? "warn" : "fact", WORDS[row.state] + (row.why ? ": " + row.why : "")),
      Number.isFinite(row.made) && fact("fact", (row.state === "ready" ? "Made " : "Begun ") + day(row.made)), ...row.warnings.map((text) => fact("warn", text)),
    ].filter(Boolean));
    entry.where = make("div");
    entry.acts = make("div", "acts");
    about.append(entry.where, entry.acts);
    entry.item.append(...[media, about].filter(Boolean));
    choose(entry, 0);
  }

  const fact = (className, text) => (text ? make("p", className, text) : null);
  const titleOf = (row) => (row.kind === "video" ? "Video" : "Picture") + ": " + (row.prompt.slice(0, 60) || "task " + (row.id || row.external));

  function settingsOf({ kind, model, settings, take }) {
    const { duration, aspect_ratio: shape, resolution, audio, count } = settings;
    return [
      kind === "video" ? "Video" : count > 1 ? count + " pictures" : "Picture", model, duration && duration + " s", shape, resolution,
      kind === "video" && SOUND[audio], take > 1 && "take " + take,
    ].filter(Boolean).join(" · ");
  }

  function priceOf({ deducted, estimated, units }) {
    const short = (text) => (/^\d+\.\d+$/.test(text) ? String(Number(text)) : text), named = (text) => short(text) + (short(text) === "1" ? " unit" : " units");
    if (deducted) return named(deducted) + " paid" + (estimated && short(estimated) !== short(deducted) ? " (estimated " + estimated + ")" : "");
    return estimated ? "About " + named(estimated) + " (estimated)" : units && named(units);
  }

  function day(time) {
    try {
      return new Intl.DateTimeFormat(document.documentElement.lang || "en", { dateStyle: "medium", timeStyle: "short" }).format(time);
    } catch { return new Date(time).toISOString().slice(0, 16).replace("T", " "); }
  }

  function endOf(file) {
    if (!file.url) return file.isElsewhere ? "Its link does not lead to Kling, so it is not opened here." : "There is no link to it any more.";
    if (!Number.isFinite(file.ends)) return "";
    if (file.hasEnded) return "The link ended on " + day(file.ends) + ".";
    const left = Math.floor((file.ends - Date.now()) / DAY);
    return "Link until " + day(file.ends) + (left > 1 ? " (" + left + " days)." : ".");
  }

  /** Why a result is not seen here, and where it is. */
  function missing(file, what) {
    const why = file.hasEnded ? "The link has ended" : file.isLive ? "The " + what + " cannot be loaded here" : file.isElsewhere ? "The link does not lead to Kling" : "There is no link";
    return make("div", "blank", why + (file.path ? ": it is on the disk." : file.isLive ? "." : ", and no file is on the disk."));
  }

  function mediaOf(entry) {
    const { row } = entry, isMany = row.kind === "image" && row.files.length > 1;
    const media = make("div", isMany ? (row.files.length <= 4 ? "media many few" : "media many") : "media");
    if (row.state === "failed") media.append(make("div", "blank", "Nothing was made."));
    else if (row.state !== "ready") media.append(make("div", "blank", row.kind === "video" ? "Kling is making the video…" : "Kling is making the pictures…"));
    else if (!row.files.length) media.append(make("div", "blank", "Kling shows no link any more, and no file is on the disk."));
    else if (row.kind === "video") media.append(...row.files.map((file) => player(row, file)));
    else media.append(...(entry.tiles = row.files.map((file, place) => tile(entry, file, place))));
    if (isMany) choosable(entry, media);
    return media;
  }

  function player(row, file) {
    if (!file.isLive) return missing(file, "clip");
    const video = make("video");
    Object.assign(video, { controls: true, preload: "metadata", playsInline: true });
    video.setAttribute("aria-label", titleOf(row));
    const [wide, high] = (row.settings.aspect_ratio || "").split(":").map(Number);
    if (wide > 0 && high > 0) video.style.setProperty("--shape", wide + " / " + high);
    video.onerror = () => video.replaceWith(missing(file, "clip"));
    sources.set(video, file.url);
    seen.observe(video);
    return video;
  }

  // Twenty clips do not all ask Kling for their beginnings before anybody has scrolled to them.
  const sources = new WeakMap();
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      target.src = sources.get(target);
    }
  }, { root: $("room"), rootMargin: "200px" });

  function tile(entry, file, place) {
    const count = entry.row.files.length, isMany = count > 1;
    const tile = make(isMany ? "button" : "div", "tile"), image = make("img");
    const left = [file.isLive && file.url, file.small].filter(Boolean);
    image.alt = isMany ? "Picture " + (place + 1) + " of " + count : titleOf(entry.row);
    image.loading = "lazy";
    const next = () => { if (left.length) image.src = left.shift(); else image.replaceWith(missing(file, "picture")); };
    image.onerror = next;
    tile.append(image);
    next();
    if (isMany) {
      tile.type = "button";
      tile.setAttribute("role", "radio");
      tile.setAttribute("aria-label", image.alt);
      tile.onclick = () => choose(entry, place);
    }
    return tile;
  }

  function choosable(entry, media) {
    media.setAttribute("role", "radiogroup");
    media.setAttribute("aria-label", "Pictures. Arrow keys choose one for the buttons below.");
    media.addEventListener("keydown", (event) => {
      const isRight = getComputedStyle(media).direction !== "rtl", last = entry.tiles.length - 1;
      const columns = entry.tiles.filter((one) => one.offsetTop === entry.tiles[0].offsetTop).length;
      const steps = { ArrowRight: isRight ? 1 : -1, ArrowLeft: isRight ? -1 : 1, ArrowDown: columns, ArrowUp: -columns, Home: -entry.place, End: last - entry.place };
      if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const place = entry.place + steps[event.key];
      if (place < 0 || place > last) return;
      choose(entry, place);
      entry.tiles[place].focus();
    });
  }

  /** The chosen picture is the one that the buttons mean; its place is shown. */
  function choose(entry, place) {
    const { row } = entry, file = row.files[place];
    entry.place = place;
    if (row.files.length > 1) (entry.tiles || []).forEach((one, at) => {
      one.setAttribute("aria-checked", String(at === place));
      one.tabIndex = at === place ? 0 : -1;
    });
    entry.where.replaceChildren();
    if (file && row.state === "ready") {
      const isSoon = file.isLive && !file.path && file.ends < Date.now() + 3 * DAY, isLost = !file.isLive && !file.path;
      const end = endOf(file);
      if (file.path) entry.where.append(make("p", "fact", "On the disk of the server:"), make("p", "path", file.path));
      if (end) entry.where.append(make("p", isSoon || isLost ? "warn" : "fact", end + (file.path ? "" : isLost ? " No file is on the disk." : " Not saved on the disk.")));
    }
    buttons(entry, file);
  }

  function buttons(entry, file) {
    const { row } = entry, acts = [];
    const act = (text, run, isMain) => {
      const button = make("button", isMain ? "plain main" : "plain", text);
      button.type = "button";
      button.setAttribute("aria-label", text + ", " + titleOf(row));
      button.onclick = run;
      acts.push(button);
    };
    if (row.state === "ready" && file && (file.path || file.isLive)) {
      act("Use in conversation", () => tell(useOf(row, entry.place)), true);
      if (row.kind === "image") act("Use as first frame", () => tell(frameOf(row, entry.place)));
    }
    if (row.state === "ready" && row.id && row.isKnown) act("Another take", () => tell(takeOf(row)));
    if (file?.isLive && host.openLinks) act("Open", () => open(file));
    if (file?.isLive && saves && host.serverTools && row.id && row.files.some((one) => !one.path)) act("Save", () => wait([row.id], 30, "Saving…"));
    entry.acts.replaceChildren(...acts);
    entry.acts.hidden = !acts.length;
  }

  // ---- what a person can do; nothing here spends money: the assistant is asked, and it asks first

  const placeOf = (file) => (file.path ? "path " + JSON.stringify(file.path) : "link " + file.url);

  function useOf(row, place) {
    const which = row.files.length > 1 ? ", result " + (place + 1) + " of " + row.files.length : "";
    return "Use this Kling " + (row.kind === "video" ? "video" : "picture") + ":\n- task_id " + (row.id || row.external) + which + ", " + placeOf(row.files[place]);
  }

  const frameOf = (row, place) => "Make a Kling video that begins with this picture (first_frame of generate_video): " + placeOf(row.files[place]) +
    "\nAsk me what happens in it, and tell me the price before anything is paid.";

  function takeOf(row) {
    const alike = cards.filter((one) => one.row.kind === row.kind && one.row.prompt === row.prompt && one.row.model === row.model);
    const take = Math.max(...alike.map((one) => one.row.take)) + 1;
    const told = { prompt: row.prompt, model: row.model, elements: row.elements, ...row.settings };
    const known = source === "call" ? "" : "\nWhat is known of its arguments: " + JSON.stringify(told);
    return "Make another take of this Kling " + (row.kind === "video" ? "video" : "picture") + ": call " + (row.kind === "video" ? "generate_video" : "generate_image") +
      " with the same arguments and inputs as for task_id " + row.id + ", and take " + take + "." + known + "\nTell me the price before anything is paid.";
  }

  async function open(file) {
    try {
      const opened = await request("ui/open-link", { url: file.url });
      say(opened.isError ? "The link could not be opened." : "The result is opening in the browser.");
    } catch { say("The link could not be opened."); }
  }

  /** Ask again how these tasks are; a wait saves what is finished, and changes nothing at Kling. */
  async function wait(ids, seconds, words) {
    if ($("room").ariaBusy === "true") return;
    say(words);
    $("room").ariaBusy = "true";
    const hadFocus = document.activeElement === $("check");
    try {
      const result = await request("tools/call", { name: "wait_for_tasks", arguments: { ids, wait_seconds: seconds } });
      show(result, true);
    } catch { say("The server could not be asked."); }
    $("room").ariaBusy = "false";
    if (hadFocus && $("check").hidden) $("cards").querySelector("button")?.focus();
  }

  const isOpen = (state) => state === "pending" || state === "unknown";
  const unfinished = () => [
    ...cards.filter(({ row }) => isOpen(row.state)).map(({ row }) => row.id || row.external),
    ...[...others].filter(([, { state }]) => isOpen(state)).map(([id]) => id),
  ];

  $("check").onclick = () => wait(unfinished().slice(0, MOST_AT_ONCE), 5, "Asking Kling…");

  $("more").onclick = async () => {
    $("more").disabled = true;
    say("Loading more…");
    try {
      show(await request("tools/call", { name: "find_generations", arguments: { ...asked, cursor } }), true);
    } catch { say("More could not be loaded."); }
    $("more").disabled = false;
  };

  begin({ name: "kling-mcp-results", show: (result) => show(result, false), seen, cancelled: "The call was cancelled." });
