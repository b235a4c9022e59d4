// Small things that every page's script uses.

export const byId = (id) => document.getElementById(id);

/** An element with text and children; text never becomes HTML. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The data that the page was sent with. */
export const pageData = (id) => JSON.parse(byId(id).textContent);

/** A colour of app.css, as the theme has it now. */
export function colour(name) {
  const probe = element("span", { hidden: true });
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Say something to who does not see the page. */
export function say(text) {
  const region = byId("say");
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}

const sentBefore = new Map(); // id -> HTML as the server sent it: scripts mark rows afterwards
for (const part of document.querySelectorAll("[data-live]")) sentBefore.set(part.id, part.outerHTML);

/** Put the parts marked `data-live` of an HTML text in the place of those on the page.
 *  Focus, scrolling and what is unfolded stay as they are. */
export function swap(html) {
  const sent = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of sent.querySelectorAll("[data-live]")) {
    const old = byId(fresh.id);
    const html = fresh.outerHTML;
    if (!old || sentBefore.get(fresh.id) === html) continue;
    sentBefore.set(fresh.id, html);
    const at = focused(old);
    const scrolled = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    const unfolded = [...old.querySelectorAll("details")].map((box) => box.open);
    old.replaceWith(fresh);
    fresh.querySelectorAll("details").forEach((box, i) => (box.open = unfolded[i] ?? box.open));
    fresh.querySelectorAll(".scroll").forEach((box, i) => {
      [box.scrollLeft, box.scrollTop] = scrolled[i] ?? [0, 0];
    });
    if (at) fresh.querySelector(at)?.focus({ preventScroll: true });
  }
  age();
}

function focused(inside) {
  const active = document.activeElement;
  if (!inside.contains(active) || active === inside) return null;
  const row = active.closest("[data-trial]");
  return row ? `[data-trial="${row.dataset.trial}"] button` : ".scroll";
}

/** `3 min ago`, as numbers.py writes it. */
export function ago(seconds) {
  if (seconds < 2) return "just now";
  if (seconds < 100) return `${Math.floor(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

function age() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(age, 5000);
age();
