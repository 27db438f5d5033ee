  // ---- small pictures of elements: those in the result, then one by one as they scroll into view

  const READS_AT_ONCE = 4;
  const queue = [], unread = new WeakMap();
  let reading = 0;
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      queue.push(target);
      pump();
    }
  }, { root: $("room"), rootMargin: "120px" });

  const hue = (text) => { let sum = 7; for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360; return sum; };

  /** A coloured square with the first letter of a name. */
  function blankFace(name, key) {
    const face = make("span", "face", (name || "?").slice(0, 1).toUpperCase());
    face.setAttribute("aria-hidden", "true");
    face.style.setProperty("--hue", hue(key));
    return face;
  }

  /** Show `source` there, or else what the server has of the element with this id. */
  function picture(face, id, source) {
    if (paint(face, source) || !id || !host.serverResources) return;
    unread.set(face, id);
    seen.observe(face);
  }

  function paint(face, source) {
    if (!isPicture(source)) return false;
    const image = make("img");
    image.alt = "";
    image.src = source;
    image.onerror = () => image.remove();
    face.append(image);
    return true;
  }

  async function pump() {
    if (reading >= READS_AT_ONCE || !queue.length || ended) return;
    const face = queue.shift();
    reading += 1;
    if (face.isConnected) {
      try {
        const uri = "kling://elements/" + encodeURIComponent(unread.get(face)) + "/picture";
        const [content] = list((await request("resources/read", { uri })).contents);
        paint(face, "data:image/jpeg;base64," + object(content).blob);
      } catch { /* the letter stays */ }
    }
    reading -= 1;
    pump();
  }
