// The four pages. Each is built once when it is opened; update brings it up to what the engine last said.
import { h, sync, t, num, km, when, ago } from "./words.js";

export const open = (vin) => "#/vehicles/" + encodeURIComponent(vin);
const kindOf = (m) => (m.type || "").split(".").pop();
const toneOf = (m) => kindOf(m) === "firing" ? m.severity || "warning" : kindOf(m);
const labels = { firing: "alert", created: "new lead", updated: "lead" };
const dot = (...parts) => parts.filter(Boolean).flatMap((p, i) => i ? [" · ", p] : [p]);
export const tag = (tone, word) => h("span", { class: "tag t-" + tone }, t(word));
const who = (x) => dot(x.model, x.plate, h("span", { class: "vin" }, x.vin));

// fate says what became of a message: whom it is for, and how far it is.
function fate(m) {
  if (m.held) return h("span", { class: "fate held" }, t("held") + ": " + t(m.held));
  if (m.to === "none" || !m.to) return null;
  const result = (m.sent || []).map((d) => d.result).find(Boolean);
  return h("span", { class: "fate" + (result === "dead" ? " bad" : "") }, "→ " + t(m.to) + ": " + t(result || m.state));
}

function messageRow(m, now) {
  return h("li", {}, h("a", { class: "row", href: open(m.vin) },
    tag(toneOf(m), labels[kindOf(m)] || kindOf(m)),
    h("b", { class: "title" }, m.title || m.type), h("time", {}, ago(m.time, now)),
    m.body && m.body.replace(/[.。]$/, "") !== m.title ? h("span", { class: "body" }, m.body) : null,
    h("span", { class: "sub" }, who(m), " ", fate(m))));
}

export const worst = (l) => ["overdue", "due", "soon"].find((x) => (l.causes || []).some((c) => c.level === x)) || "warning";

// why says how it stands with each cause; a single one is named by the title already.
const why = (l) => (l.causes || []).filter((c) => c.why).map((c) => l.causes.length > 1 ? (c.title || c.item) + ": " + c.why : c.why).join("; ");

function leadRow(l, now) {
  const next = l.state === "closed" ? t(l.reason || "closed") : t(l.suggested_action) + (l.action_after ? " · " + t("call after") + " " + when(l.action_after) : "");
  return h("li", {}, h("a", { class: "row lead", href: open(l.vin) },
    h("span", { class: "score t-" + (l.state === "closed" ? "closed" : worst(l)), part: (l.score || {}).total || 0 }, num((l.score || {}).total)),
    h("b", { class: "title" }, (l.causes || []).map((c) => c.title || c.item || c.rule).join(", ") || t("closed")), h("time", {}, ago(l.updated, now)),
    why(l) ? h("span", { class: "body" }, why(l)) : null,
    h("span", { class: "sub" }, who(l)),
    h("span", { class: "sub" }, tag(l.state === "new" ? "info" : "ok", l.state), " ", h("span", { class: "next" }, next),
      l.owner && l.owner.last_reaction ? " · " + t("owner") + ": " + t(l.owner.last_reaction) : "", l.held ? h("span", { class: "fate held" }, " " + t(l.held)) : null)));
}

function vehicleRow(v, now) {
  return h("li", { "data-vin": v.vin }, h("a", { class: "row car", href: open(v.vin) },
    tag(v.state || "ok", v.state || "ok"), h("b", { class: "title" }, dot(v.model, v.plate)[0] ? dot(v.model, v.plate) : v.vin),
    h("span", { class: "km" }, v.odometer == null ? "–" : km(v.odometer, 1)),
    h("span", { class: "sub vin" }, v.vin), h("time", {}, ago(v.time, now))));
}

const card = (title, ...kids) => h("section", { class: "card" }, title ? h("h2", {}, t(title)) : null, kids);
const list = (label) => h("ul", { class: "list", "aria-label": t(label) });

const filters = {
  All: () => true, Reminders: (m) => /reminder/.test(m.type), Alerts: (m) => /alert/.test(m.type), Leads: (m) => /lead/.test(m.type), "Held back": (m) => m.held,
};

function live(state) {
  const feed = list("Activity"), leads = list("Open leads"), cars = list("Heard last");
  let filter = "All";
  const chips = h("div", { class: "chips", role: "group", "aria-label": t("Activity") }, Object.keys(filters).map((name) =>
    h("button", { type: "button", "aria-pressed": String(name === filter), onclick: (e) => {
      filter = name;
      for (const c of chips.children) c.setAttribute("aria-pressed", String(c === e.currentTarget));
      feed.replaceChildren();
      delete feed.dataset.none;
      update();
    } }, t(name))));
  const update = () => {
    sync(feed, state.messages.filter(filters[filter]).slice(0, 60), (m) => m.id, (m) => messageRow(m, state.now()), t("Nothing to tell anybody yet. What a car's telemetry means shows here the moment it arrives."));
    sync(leads, state.leads.filter((l) => l.state !== "closed").slice(0, 8), (l) => l.lead, (l) => leadRow(l, state.now()), t("No open lead."));
    sync(cars, state.vehicles.slice(0, 8), (v) => v.vin, (v) => vehicleRow(v, state.now()), t("No vehicle has spoken yet."));
  };
  return { el: h("div", { class: "cols" }, card("Activity", chips, feed), h("div", {}, card("Open leads", leads), card("Heard last", cars))), update };
}

function leads(state) {
  const box = list("Leads");
  const rank = (l) => l.state === "closed" ? 2 : l.suggested_action === "none" ? 1 : 0; // what there is to do comes first
  const byScore = (a, b) => rank(a) - rank(b) || (b.score || {}).total - (a.score || {}).total || b.updated - a.updated;
  return { el: card("Leads", box), update: () => sync(box, state.leads.toSorted(byScore), (l) => l.lead, (l) => leadRow(l, state.now()), t("No lead yet.")) };
}

function vehicles(state) {
  const box = list("Vehicles");
  const find = h("input", { class: "search", type: "search", placeholder: t("Vehicle id, plate or model"), "aria-label": t("Vehicle id, plate or model"), oninput: () => update(),
    onkeydown: (e) => { if (e.key === "Enter" && find.value.trim()) location.hash = open(find.value.trim()); } });
  const update = () => {
    const text = find.value.trim().toLowerCase();
    sync(box, state.vehicles.filter((v) => !text || [v.vin, v.plate, v.model].join(" ").toLowerCase().includes(text)), (v) => v.vin, (v) => vehicleRow(v, state.now()),
      t(text ? "No vehicle like this among those heard last. Press Enter to look it up." : "No vehicle has spoken yet."));
  };
  return { el: card("Vehicles", find, box), update };
}

export const fact = (k, v) => v == null || v === "" ? null : h("div", {}, h("span", {}, t(k)), h("b", {}, String(v)));
const facts = (...kids) => h("div", { class: "facts" }, kids);

function engine(state, get) {
  const boxes = { Engine: h("div"), Sources: h("div"), Destinations: h("div"), "Held back": h("div"), "Dead letters": h("div") };
  let dead = null, known = -1;
  const part = (name, tone, word, ...kids) => h("div", { class: "part" }, h("h3", {}, name, " ", word ? tag(tone, word) : null), facts(kids));
  const update = async () => {
    const o = state.overview;
    if (!o) return;
    boxes.Engine.replaceChildren(facts(fact("installation", o.source), fact("version", o.version), fact("rules", (o.rules_version || "–").slice(7, 19)), fact("clock", when(o.clock)),
      fact("lag", num(o.lag) + " " + t("records")), fact("a crash would replay", num(o.unstored) + " " + t("records")), fact("starts", num(o.generation))));
    boxes.Sources.replaceChildren(...(o.sources || []).map((s) => part(s.name, "", "", fact("address", s.address), fact("clients", s.connections), fact("received", num(s.received)), fact("refused", num(s.refused)))));
    boxes.Destinations.replaceChildren(...(o.destinations || []).map((d) => part(d.name, d.breaker === "closed" ? "ok" : "overdue", d.breaker === "closed" ? "healthy" : d.breaker,
      fact("delivered", num(d.delivered)), fact("outbox", num(d.waiting)), fact("failed", num(d.failed)), fact("oldest waits", ago(d.oldest, state.now())), d.error && d.breaker !== "closed" ? fact("error", d.error) : null)));
    if (!(o.destinations || []).length) boxes.Destinations.replaceChildren(h("p", { class: "empty" }, t("No webhook is configured: events are kept, nobody is told.")));
    const held = Object.entries(o.held || {}).sort((a, b) => b[1] - a[1]);
    boxes["Held back"].replaceChildren(held.length ? facts(held.map(([k, n]) => fact(k, num(n)))) : h("p", { class: "empty" }, t("Nothing is held back.")));
    if (known !== o.dead) {
      known = o.dead;
      dead = o.dead ? await get("/api/v1/deadletters?limit=100") : [];
    }
    boxes["Dead letters"].replaceChildren(o.dead ? h("div", {}, h("p", {}, num(o.dead) + " " + t("dead letters")), h("ul", { class: "list" }, (dead || []).slice(-20).reverse().map((d) =>
      h("li", { class: "row" }, tag("overdue", d.reason), h("b", { class: "title" }, d.detail || d.topic || d.source), h("time", {}, when(d.at)), h("span", { class: "sub" }, dot(d.source, d.topic, d.key))))))
      : h("p", { class: "empty" }, t("No dead letter: every message was understood and delivered.")));
  };
  return { el: h("div", { class: "even" }, Object.entries(boxes).map(([name, box]) => card(name, box))), update };
}

export const pages = { live, leads, vehicles, engine };
