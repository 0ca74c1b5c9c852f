// One vehicle: where it stands, what is due, what is wrong, and its story.
import { h, t, pick, num, km, when, lang } from "./words.js";
import { fact, tag, worst } from "./pages.js";

let catalogue = null; // signals by name, with their labels and units

// load asks for all that is shown of a vehicle; view is null when it is not known.
export async function load(vin, get) {
  const path = "/api/v1/vehicles/" + encodeURIComponent(vin);
  const [view, story, signals] = await Promise.all([get(path), get(path + "/timeline?limit=120&lang=" + lang), catalogue ? null : get("/api/v1/signals")]);
  if (signals && signals.length) catalogue = new Map(signals.map((s, i) => [s.name, { ...s, order: i }]));
  return { vin, view, story: (story && story.entries) || [] };
}

const card = (title, ...kids) => h("section", { class: "card" }, title ? h("h2", {}, t(title)) : null, kids);

// draw fills the box; focus and scrolling stay where they are.
export function draw(box, { vin, view, story }, lead, close) {
  const p = (view && view.profile) || {};
  let head = box.querySelector("header");
  if (box.dataset.vin !== vin || !head) {
    head = h("header", {}, h("h1", {}), h("button", { class: "icon", type: "button", "aria-label": t("Close"), onclick: close }, "×"));
    box.replaceChildren(head, h("div"));
    box.dataset.vin = vin;
    box.scrollTop = 0;
  }
  head.firstElementChild.replaceChildren(h("span", {}, [p.model, p.plate].filter(Boolean).join(" · ") || vin), h("span", { class: "vin" }, vin));
  const body = box.lastElementChild;
  if (!view) return body.replaceChildren(h("p", { class: "empty" }, t("This vehicle is not known.")));
  body.replaceChildren(...[state(view, p), alerts(view.alerts || []), lead ? leadCard(lead) : null, items(view), signals(view.signals || {}), timeline(story)].filter(Boolean));
}

function state(v, p) {
  const o = v.odometer || {}, last = (v.services || [])[0], reaction = v.last_owner_reaction;
  return card("", h("div", { class: "big", id: "odometer" }, o.km == null ? t("no odometer yet") : num(o.km, 1), o.km == null ? null : h("small", {}, " " + t("km"))),
    o.km == null ? null : h("p", { class: "note" }, t("read") + " " + when(o.at)),
    h("div", { class: "facts" }, fact("powertrain", p.powertrain && p.powertrain.toUpperCase()), fact("plan", v.plan || v.note), fact("owner", p.owner), fact("dealer", p.dealer), fact("in service", p.in_service), fact("zone", p.timezone),
      last && fact("last service", last.date + (last.km != null ? " · " + km(last.km) : "")), reaction && fact("owner reacted", t(reaction.action)),
      (o.suspects || []).length ? fact("readings not believed", o.suspects.map((s) => s.count + " × " + s.kind).join(", ")) : null));
}

function alerts(list) {
  if (!list.length) return null;
  return card("Alerts", h("ul", { class: "list" }, list.map((a) => h("li", { class: "row" }, tag(a.severity || "warning", a.severity || "warning"), h("b", { class: "title" }, pick(a.title, a.rule)), h("time", {}, t("since") + " " + when(a.since)),
    h("span", { class: "sub" }, Object.entries(a.evidence || {}).map(([k, e]) => label(k) + " " + shown(k, e.value)).join(" · "))))));
}

function leadCard(l) {
  const parts = Object.entries((l.score || {}).parts || {}).map(([k, n]) => t(k) + " " + n).join(" + ");
  return card("For the dealer", h("div", { class: "row lead" },
    h("span", { class: "score t-" + worst(l), part: (l.score || {}).total || 0, title: parts }, num((l.score || {}).total)),
    h("b", { class: "title" }, t(l.suggested_action)), tag(l.state === "new" ? "info" : "ok", l.state), h("span", { class: "sub" }, parts)),
    h("ul", { class: "plain" }, (l.causes || []).map((c) => h("li", {}, tag(c.level || "warning", c.level || "alert"), " ", c.title || c.item || c.rule, c.why ? h("span", { class: "note" }, " " + c.why) : null))),
    h("p", { class: "note" }, [(l.owner || {}).name, l.owner && (l.owner.phone || t("may not be called")), l.minutes_total ? l.minutes_total + " " + t("min") : null].filter(Boolean).join(" · ")));
}

// progress is how much of an item's interval is used up, 0 to 1, of the dimension that is nearest.
function progress(i) {
  const d = i.due, b = i.baseline || {}, used = [];
  const add = (rest, whole) => { if (rest != null && whole > 0) used.push(1 - rest / whole); };
  add(d.rest_km, d.km - (b.km || 0));
  add(d.rest_hours, d.hours - (b.hours || 0));
  if (d.date && b.date) add(d.rest_days, (Date.parse(d.date) - Date.parse(b.date)) / 864e5);
  return Math.min(1, Math.max(0, ...used));
}

function items(v) {
  const left = (i) => [[i.due.rest_km, (x) => km(x)], [i.due.rest_days, (x) => num(x) + " " + t("d")], [i.due.rest_hours, (x) => num(x, 1) + " " + t("h")]].filter(([x]) => x != null)
    .map(([x, say]) => say(Math.abs(x)) + " " + t(x < 0 ? "over" : "left")).join(", ");
  const due = (i) => [i.due.km != null && km(i.due.km), i.due.date, i.due.hours != null && num(i.due.hours, 1) + " " + t("h")].filter(Boolean).join(" / ");
  return card("Maintenance", (v.items || []).length ? h("ul", { class: "items" }, v.items.map((i) => h("li", { class: "t-" + i.state, "data-item": i.id },
    h("b", {}, pick(i.title, i.id)), tag(i.state, i.state), h("i", { class: "meter", part: Math.round(100 * progress(i)) }, h("i")),
    h("span", { class: "note" }, left(i) || "–"), h("span", { class: "note" }, t("due at") + " " + (due(i) || "–") + (i.history ? " · " + t("assumed in order") : "")))))
    : h("p", { class: "empty" }, v.note || t("no plan")));
}

const label = (name) => { const s = catalogue && catalogue.get(name); return (s && pick(s.label, name)) || name; };
function shown(name, value) {
  if (Array.isArray(value)) return value.join(" ") || "–";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  const unit = ((catalogue && catalogue.get(name)) || {}).unit;
  return typeof value === "number" ? num(value, 2) + (unit ? " " + unit : "") : String(value);
}

function signals(all) {
  const order = (n) => ((catalogue && catalogue.get(n)) || { order: 1e6 }).order;
  const names = Object.keys(all).sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
  return names.length ? card("Signals", h("div", { class: "facts" }, names.map((n) => h("div", { title: n + " · " + when(all[n].time) }, h("span", {}, label(n)), h("b", {}, shown(n, all[n].value)))))) : null;
}

// timeline folds what belongs to one event into one line: that it happened, and what became of telling it.
function timeline(entries) {
  const lines = [], byID = new Map();
  for (const e of entries) {
    let line = e.id && byID.get(e.id);
    if (!line) {
      line = { time: e.time, text: e.text, tone: toneOf(e), fates: [] };
      lines.push(line);
      if (e.id) byID.set(e.id, line);
    }
    if (e.kind === "event") Object.assign(line, { time: e.time, text: e.text, tone: toneOf(e) });
    else if (e.id && e.state && (!line.fates.length || e.held)) line.fates.push(e);
  }
  lines.sort((a, b) => b.time - a.time);
  return card("Timeline", lines.length ? h("ol", { class: "story" }, lines.map((l) => h("li", { class: "t-" + l.tone }, h("time", {}, when(l.time)), h("span", {}, l.text),
    l.fates.map((f) => h("span", { class: "fate" + (f.held ? " held" : "") }, f.held ? t("held") + ": " + t(f.held) : "→ " + t((f.entry || {}).to || "") + ": " + t(f.state)))))) : h("p", { class: "empty" }, t("Nothing has happened yet.")));
}
const toneOf = (e) => {
  const last = (e.type || "").split(".").pop();
  return last === "firing" ? ((e.entry || {}).event || {}).severity || "warning" : last || { service: "done", suspect: "warning", odometer: "warning", feedback: "info" }[e.kind] || "none";
};
