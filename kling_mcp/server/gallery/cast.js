  // ---- the page of a production: the cast with its gaps, the shots, and what applying costs

  const KEY = "io.github.kling-mcp/cast";
  const MOST_CAST = 500, MOST_SHOTS = 1000, MOST_NAMED = 40;
  // Of each state: its mark, its words, how it looks, and how it is counted.
  const CAST = {
    __proto__: null,
    ready: ["✓", "Ready", "", "ready"], unchanged: ["✓", "Ready", "", "ready"], adopt: ["✓", "Ready to adopt", "", "ready"],
    replace: ["↻", "To replace", "todo", "to replace"], create: ["+", "To create", "todo hole", "to create"],
    pending: ["…", "Being made", "todo hole", "being made"], not_started: ["…", "Not started", "todo hole", "not started"],
    missing: ["?", "Missing", "gap hole", "missing"], problem: ["!", "Problem", "gap wide", "with a problem"], failed: ["!", "Failed", "gap wide", "failed"],
    orphan: ["–", "No longer in the sheet", "past", ""],
  };
  const SHOTS = {
    __proto__: null,
    ready: ["✓", "Rendered", "", "rendered"], unchanged: ["✓", "Rendered", "", "rendered"], render: ["+", "To render", "todo", "to render"],
    blocked: ["…", "Waits", "todo", "waiting"], pending: ["…", "Being made", "todo", "being made"], not_started: ["…", "Not started", "todo", "not started"],
    stuck: ["!", "Cannot be made", "gap", "that cannot be made"], failed: ["!", "Failed", "gap", "failed"],
  };
  const MATERIAL = "a picture from the front with 1 to 3 others, or a clip.";
  const GAPS = ["missing", "problem", "stuck"];
  const ACTIONS = ["create", "adopt", "replace", "unchanged", "missing"];
  const cast = new Map(), shots = new Map();
  let plan = { id: "", path: "", price: "", part: "all", require: [] };

  function show(result) {
    if (result.isError) return refused(result);
    const data = object(result.structuredContent), meta = object(object(result._meta)[KEY]);
    const isRun = Array.isArray(data.entries);
    for (const rows of [cast, shots]) rows.clear();
    plan = {
      id: plain(data.plan_id, 80), path: plain(meta.path || data.path, 1000), isRun, part: plain(meta.part, 10) || "all",
      require: list(meta.require).map((name) => plain(name, 60)).filter(Boolean), price: plain(data.price, 300),
    };
    for (const raw of list(meta.cast)) putEntry(object(raw).action, object(raw));
    for (const raw of list(meta.shots)) putShot(object(raw).action, object(raw));
    // Where the rows of the page have not come with the result, those for programs say the most of it.
    for (const action of ACTIONS) for (const raw of list(data[action])) plannedEntry(action, object(raw));
    for (const action of ["render", "unchanged", "blocked"]) for (const raw of list(object(data.shots)[action])) putShot(action, object(raw));
    for (const raw of list(data.entries)) outcome(object(raw), Array.isArray(meta.cast));
    draw(object(meta.pictures));
    others(data, Array.isArray(meta.cast));
    foot();
  }

  /** A call that was refused: what is wrong with the sheet, line by line. */
  function refused(result) {
    const lines = list(result.content).flatMap((block) => String(object(block).text || "").slice(0, 20_000).split("\n")).filter((line) => !line.startsWith("kind="));
    notes(lines.slice(1, 60).map((line) => line.replace(/^- /, "")), 600);
    // What was shown before is not so any more.
    for (const rows of [cast, shots]) rows.clear();
    plan = { ...plan, id: "", price: "", isRefused: true };
    draw({});
    $("rest").hidden = $("empty").hidden = true;
    foot();
    say(plain(lines[0], 400) || "The call failed.");
  }

  // ---- rows, by name and by shot and take; the first one counts

  function put(rows, key, name, state, raw) {
    const isFull = rows.size >= (rows === cast ? MOST_CAST : MOST_SHOTS), states = rows === cast ? CAST : SHOTS;
    if (!name || rows.has(key) || !states[state] || isFull) return;
    rows.set(key, {
      name, state, id: plain(raw.element_id, 80), why: plain(raw.why, 400), about: plain(raw.description || raw.prompt, 300),
      line: Number.isInteger(raw.line) && raw.line > 0 ? raw.line : 0, pictures: Number.isInteger(raw.pictures) ? raw.pictures : 0,
      clip: raw.clip === true, voice: plain(raw.voice, 60), isInSheet: Number.isInteger(raw.line), required: "", units: plain(raw.units, 40), paid: "",
      problems: list(raw.problems).slice(0, 20).map((text) => plain(text, 600)).filter(Boolean),
      files: filesOf(raw), warnings: [],
    });
  }

  /** Paths, or links of what is not saved; the page's own rows have them as texts. */
  function filesOf(raw) {
    return list(raw.files).slice(0, 5).map((file) => plain(typeof file === "string" ? file : object(file).path || object(file).url, 1000)).filter(Boolean);
  }

  const takeOf = (raw) => Number(plain(raw.take, 5)) || 1;
  const keyOf = (shot, take) => plain(shot, 60) + "\n" + take;

  function putEntry(state, raw) {
    const name = plain(raw.name, 60);
    put(cast, name, name, state, raw);
  }

  function putShot(state, raw) {
    const name = plain(raw.shot || raw.name, 60), take = takeOf(raw);
    put(shots, keyOf(name, take), name && take > 1 ? name + ", take " + take : name, state, raw);
  }

  function plannedEntry(action, raw) {
    const known = cast.get(plain(raw.name, 60));
    if (!known) return putEntry(action, raw);
    if (action === "missing" && known.state !== "missing") known.required = plain(raw.why, 200);
  }

  /** What became of an entry that the plan was about. What it left out stays a gap: going on does not fill it. */
  function outcome(raw, hasRows) {
    const isElement = raw.kind === "element", key = isElement ? plain(raw.name, 60) : keyOf(raw.name, takeOf(raw));
    const known = (isElement ? cast : shots).get(key);
    if (raw.status === "not_started" && known && GAPS.includes(known.state)) return;
    if (raw.status === "not_started" && !known && isElement && hasRows) return putEntry("missing", { ...raw, why: raw.reason });
    (isElement ? putEntry : putShot)(raw.status, raw);
    const row = (isElement ? cast : shots).get(key);
    if (!row || !(isElement ? CAST : SHOTS)[raw.status]) return;
    Object.assign(row, {
      state: raw.status, id: plain(raw.element_id, 80) || row.id, why: plain(raw.reason, 600), paid: plain(raw.units_deducted, 20), isOld: raw.paid === "before",
      files: filesOf(raw), warnings: list(raw.warnings).slice(0, 5).map((text) => plain(text, 600)).filter(Boolean),
    });
  }

  // ---- what is shown

  function fact(className, text) {
    const node = text ? make("p", className, text) : null;
    if (className === "short" && node) node.title = text;
    return node;
  }
  const count = (number, word) => number + " " + word + (number === 1 ? "" : "s");

  function stateOf([mark, words], tag) {
    const node = make(tag, "state", words);
    node.dataset.mark = mark;
    return node;
  }

  function draw(pictures) {
    const item = (row, states) => make("li", states[row.state][2]);
    $("grid").replaceChildren(...[...cast.values()].map((row) => card(item(row, CAST), row, pictures)));
    $("shots").replaceChildren(...[...shots.values()].map((row) => line(item(row, SHOTS), row)));
    $("people").hidden = !cast.size;
    $("scenes").hidden = !shots.size;
    $("empty").hidden = Boolean(cast.size || shots.size);
    $("castcount").textContent = counted(cast, CAST, "ready");
    $("shotcount").textContent = counted(shots, SHOTS, "rendered");
  }

  function card(item, row, pictures) {
    const face = blankFace(row.name, row.id || row.name), about = make("div", "about");
    const isHole = item.classList.contains("hole"), own = pictures["id " + row.id], next = pictures["name " + row.name];
    if (isHole) face.textContent = CAST[row.state][0];
    if (row.state === "replace" && isPicture(own) && isPicture(next)) face.classList.add("both");
    picture(face, row.id, own || (row.state === "replace" ? "" : next));
    if (face.classList.contains("both")) paint(face, next);
    about.append(...[
      make("p", "name", row.name), stateOf(CAST[row.state], "p"), ...needs(row),
    ]);
    item.append(face, about);
    return item;
  }

  /** Why it is so, and what it is or has to be made from. */
  function needs(row) {
    const isMade = ["create", "replace", "pending", "not_started"].includes(row.state), isMissing = row.state === "missing";
    const from = row.clip ? "a clip" : row.pictures && count(row.pictures, "picture");
    const lacks = (row.isInSheet ? "Needs " : "Needs an entry in the sheet: ") + (row.about ? "" : "a description, and ") + MATERIAL;
    const why = ["unchanged", "ready"].includes(row.state) || (isMissing && row.isInSheet) ? "" : row.state === "replace" ? "New: " + row.why : row.why;
    return [
      isMissing && fact("told", lacks), fact(row.state === "adopt" ? "short" : "", why), row.required && fact("told", "Required: " + row.required),
      isMade && from && fact("", "From " + from + (row.voice ? ", voice " + row.voice : "")), (isMade || isMissing) && fact("short", row.about),
      ...[...row.problems, ...row.warnings].map((text) => fact("told", text)), isMissing && row.line && fact("", "Line " + row.line + " of the sheet"),
    ].filter(Boolean);
  }

  function line(item, row) {
    const units = row.isOld ? "paid before" : row.paid ? named(row.paid) + " paid" : row.units && named(row.units);
    const name = make("span", "name", row.name + (row.about ? ": " + row.about : ""));
    name.title = row.about;
    item.append(...[
      stateOf(SHOTS[row.state], "span"), name, make("span", "units", units), row.state !== "unchanged" && fact("", row.why), ...row.files.map((file) => fact("", file)),
      ...[...row.problems, ...row.warnings].map((text) => fact("told", text)),
    ].filter(Boolean));
    return item;
  }

  function named(units) {
    const short = /^\d+\.\d+$/.test(units) ? String(Number(units)) : units;
    return short + (short === "1" ? " unit" : " units");
  }

  /** Such as "6 of 8 ready, 2 missing". */
  function counted(rows, states, done) {
    const sums = new Map([[done, 0]]);
    for (const { state } of rows.values()) if (states[state][3]) sums.set(states[state][3], (sums.get(states[state][3]) || 0) + 1);
    const all = [...sums.values()].reduce((sum, one) => sum + one, 0);
    return [...sums].map(([words, sum]) => (words === done ? sum + " of " + all + " " + words : sum + " " + words)).filter((text) => !text.startsWith("0 ") || text.includes(" of ")).join(", ");
  }

  function others(data, hasRows) {
    const orphans = list(data.orphan).filter((text) => !hasRows || !plain(text, 400).startsWith("cast ")).map((text) => plain(text, 400)).filter(Boolean);
    $("rest").replaceChildren(...orphans.slice(0, 100).map((text) => make("li", "", "In the lock file and no longer in the sheet: " + text)));
    $("rest").hidden = !orphans.length;
    notes([...(hasRows ? [] : list(data.problems)), ...list(data.notes)], 600);
  }

  // ---- what a person can do; nothing here makes or pays for anything: the assistant is asked, and it asks first

  const inState = (rows, ...states) => [...rows.values()].filter(({ state }) => states.includes(state));
  const pathNow = () => plan.path || plain(asked.path, 1000);

  function foot() {
    const work = inState(cast, "create", "adopt", "replace").length + inState(shots, "render", "blocked").length;
    const open = inState(cast, "pending", "not_started").length + inState(shots, "pending", "not_started").length;
    const bad = inState(cast, "missing", "problem", "failed").length, stuck = inState(shots, "stuck", "failed").length;
    $("apply").hidden = !plan.id || !(plan.isRun ? open : work);
    $("apply").textContent = plan.isRun ? "Go on" : "Apply the plan";
    $("fill").hidden = !bad && !stuck && !(plan.isRefused && pathNow());
    $("fill").textContent = inState(cast, "missing").length ? "Add what is missing" : "Correct the sheet";
    $("price").textContent = plan.price ? "Price: " + plan.price : "";
    $("again").hidden = !host.serverTools || !pathNow();
    $("copy").hidden = true;
    document.querySelector(".hand").hidden = !plan.price && $("apply").hidden && $("fill").hidden;
    const name = plan.path.split(/[\\/]/).pop(), is = [
      bad && count(bad, "gap") + " in the cast", stuck && count(stuck, "shot") + " that cannot be made", plan.isRun ? open && open + " not made yet" : work && count(work, "change") + " to apply",
    ].filter(Boolean);
    say((name ? name + ": " : "") + (is.join(", ") || (plan.isRun ? "everything is done" : "nothing to do")));
  }

  const quoted = (rows) => rows.slice(0, MOST_NAMED).map(({ name }) => JSON.stringify(name)).join(", ") + (rows.length > MOST_NAMED ? " and " + (rows.length - MOST_NAMED) + " more" : "");
  const sheet = () => (pathNow() ? " of the sheet " + JSON.stringify(pathNow()) : "");

  $("apply").onclick = () => {
    const call = "call apply_production with plan_id " + JSON.stringify(plan.id);
    if (plan.isRun) return tell("Go on with the Kling production plan" + sheet() + ": " + call + " again.");
    const does = [
      ["make", inState(cast, "create"), "element"], ["replace", inState(cast, "replace"), "element"], ["adopt", inState(cast, "adopt"), "element"],
      ["render", inState(shots, "render", "blocked"), "video"],
    ].filter(([, rows]) => rows.length).map(([verb, rows, what]) => verb + " " + count(rows.length, what));
    return tell("Apply the Kling production plan" + sheet() + ": " + call + ". It is to " + does.join(", ") + "." +
      "\nThe page shows as its price: " + (plan.price || "unknown") + ". Tell me the price before anything is paid.");
  };

  $("fill").onclick = () => {
    if (plan.isRefused) return tell("Correct the Kling production sheet " + JSON.stringify(pathNow()) + ": call plan_production with it, and ask me for what its problems need. Make nothing yet.");
    const absent = inState(cast, "missing"), wrong = inState(cast, "problem", "failed"), stuck = inState(shots, "stuck", "failed");
    const parts = [
      absent.length && "- add to the cast: " + quoted(absent) + ". Each needs a description, and a picture from the front with one to three others, or a clip; or the element_id of an element that exists.",
      wrong.length && "- correct in the cast: " + quoted(wrong), stuck.length && "- correct in the shots, or what they wait for: " + quoted(stuck),
    ].filter(Boolean);
    return tell("Complete the Kling production plan" + sheet() + ":\n" + parts.join("\n") +
      "\nAsk me for what you need, change the sheet, and call plan_production again. Make nothing yet.");
  };

  // The sheet may have changed on the disk; a new plan sends nothing.
  $("again").onclick = async () => {
    const hadFocus = document.activeElement === $("again");
    $("again").disabled = true;
    say("Looking at the sheet…");
    try {
      const path = asked.path || plan.path, part = asked.part || plan.part, require = asked.require || plan.require;
      show(await request("tools/call", { name: "plan_production", arguments: { path, part, require } }));
    } catch { say("The server could not be asked."); }
    $("again").disabled = false;
    if (hadFocus) $("again").focus();
  };

  begin({ name: "kling-mcp-cast", show, seen, cancelled: "The call was cancelled." });
