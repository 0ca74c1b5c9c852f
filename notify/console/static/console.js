// The console: one page, kept live over server-sent events. State is what the server last said; every
// page is drawn from it, and a lost connection draws itself as one.
const $ = (id) => document.getElementById(id);
const state = { overview: null, messages: [], leads: [], vehicles: [], vehicle: null, rate: null };
const MAX = 200;

// h builds an element; text is always text, never markup.
function h(tag, attrs, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v == null || v === false) continue;
    if (k === "class") e.className = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? "" : v);
  }
  for (const k of kids.flat()) if (k != null && k !== false) e.append(k);
  return e;
}
const num = (x, d = 0) => x == null ? "–" : Number(x).toLocaleString("en", { maximumFractionDigits: d });
const clock = (t) => t ? new Date(t).toISOString().slice(0, 16).replace("T", " ") : "";
const tagOf = (m) => (m.type || "").split(".").pop();
const toneOf = (m) => { const t = tagOf(m); return t === "firing" ? (m.severity || "warning") : t; };
const words = { firing: "alert", created: "new lead", updated: "lead", closed: "closed" };

function ago(t) {
  if (!t) return "";
  const now = state.overview ? Date.parse(state.overview.clock) : Date.now();
  const s = Math.max(0, (now - new Date(t).getTime()) / 1000);
  if (s < 90) return "now";
  if (s < 5400) return Math.round(s / 60) + " min";
  if (s < 129600) return Math.round(s / 3600) + " h";
  return Math.round(s / 86400) + " d";
}

function row(m) {
  return h("li", { class: m.fresh ? "fresh" : null }, h("button", { class: "row", onclick: () => open(m.vin) },
    h("span", { class: "tag t-" + toneOf(m) }, words[tagOf(m)] || tagOf(m)),
    h("span", { class: "title" }, m.title || m.type, m.held ? h("span", { class: "held", title: "held back: the reason" }, m.held) : null),
    h("span", { class: "when", title: clock(m.time) }, ago(m.time)),
    h("span", { class: "sub" }, m.model ? m.model + " · " : "", m.plate ? m.plate + " · " : "", h("span", { class: "vin" }, m.vin), m.body ? " · " + m.body : "")));
}

function leadRow(l) {
  return h("li", { class: l.fresh ? "fresh" : null }, h("button", { class: "row", onclick: () => open(l.vin) },
    h("span", { class: "tag t-" + (l.state === "closed" ? "closed" : worst(l)) }, l.state),
    h("span", { class: "title" }, (l.causes || []).map((c) => c.title || c.item || c.rule).join(", ") || "no open cause"),
    h("span", { class: "when", title: clock(l.updated) }, ago(l.updated)),
    h("span", { class: "sub" }, l.dealer ? l.dealer + " · " : "", l.model ? l.model + " · " : "", h("span", { class: "vin" }, l.vin),
      l.owner && l.owner.last_reaction ? " · owner " + l.owner.last_reaction : "", l.suggested_action ? " · " + l.suggested_action : "", l.reason ? " · " + l.reason : "")));
}
const worst = (l) => ["overdue", "due", "soon"].find((x) => (l.causes || []).some((c) => c.level === x)) || "warning";

const list = (items, draw, none) => items.length ? h("ul", { class: "list" }, items.map(draw)) : h("p", { class: "empty" }, none);

function vehicleTable(vs) {
  if (!vs.length) return h("p", { class: "empty" }, "No vehicle has spoken yet.");
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Vehicle"), h("th", {}, "State"), h("th", { class: "num" }, "Odometer"), h("th", { class: "num" }, "Heard"))),
    h("tbody", {}, vs.map((v) => h("tr", { class: v.fresh ? "fresh" : null, "data-vin": v.vin, onclick: () => open(v.vin) },
      h("td", {}, h("a", { href: "#/vehicles/" + v.vin, class: "vin" }, v.vin), v.model ? h("div", { class: "when" }, v.model) : null),
      h("td", {}, h("span", { class: "tag t-" + (v.state || "ok") }, v.state || "ok")),
      h("td", { class: "num" }, v.odometer == null ? "–" : num(v.odometer, 1) + " km"),
      h("td", { class: "num when" }, ago(v.time)))))));
}

const pages = {
  live: () => h("div", { class: "cols" },
    h("section", { class: "card" }, h("h2", {}, "Reminders and alerts"), list(state.messages.slice(0, 60), row, "Nothing to tell anybody yet. Publish telemetry, and what it means shows here.")),
    h("div", {}, h("section", { class: "card" }, h("h2", {}, "Leads"), list(state.leads.filter((l) => l.state !== "closed").slice(0, 12), leadRow, "No open lead.")),
      h("section", { class: "card" }, h("h2", {}, "Heard last"), vehicleTable(state.vehicles.slice(0, 12))))),
  leads: () => h("section", { class: "card" }, h("h2", {}, "Leads"), list(state.leads, leadRow, "No lead yet.")),
  vehicles: () => h("section", { class: "card" }, h("h2", {}, "Vehicles"),
    h("input", { class: "search", id: "find", placeholder: "Vehicle id, then Enter", "aria-label": "Vehicle id", onkeydown: (e) => { if (e.key === "Enter" && e.target.value.trim()) open(e.target.value.trim()); } }),
    vehicleTable(state.vehicles)),
  engine: () => {
    const o = state.overview;
    if (!o) return h("p", { class: "empty" }, "connecting");
    const fact = (k, v) => h("div", {}, h("span", {}, k), h("b", {}, v));
    return h("div", {},
      h("section", { class: "card" }, h("h2", {}, "Engine"), h("div", { class: "facts" }, fact("installation", o.source), fact("version", o.version), fact("rules", o.rules_version ? o.rules_version.slice(0, 19) : "–"),
        fact("clock", clock(o.clock)), fact("lag", num(o.lag) + " records"), fact("a crash would replay", num(o.unstored) + " records"), fact("dead letters", num(o.dead)), fact("generation", num(o.generation)))),
      h("section", { class: "card" }, h("h2", {}, "Sources"), h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Source", "Address", "Clients", "Received", "Refused"].map((t, i) => h("th", { class: i ? "num" : null }, t)))),
        h("tbody", {}, (o.sources || []).map((s) => h("tr", {}, h("td", {}, s.name), h("td", { class: "num vin" }, s.address || ""), h("td", { class: "num" }, s.connections == null ? "" : num(s.connections)), h("td", { class: "num" }, num(s.received)), h("td", { class: "num" }, num(s.refused)))))))),
      h("section", { class: "card" }, h("h2", {}, "Destinations"), (o.destinations || []).length ? h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Destination", "Breaker", "Waiting", "Delivered", "Failed", "Oldest"].map((t, i) => h("th", { class: i > 1 ? "num" : null }, t)))),
        h("tbody", {}, o.destinations.map((d) => h("tr", {}, h("td", {}, d.name), h("td", {}, h("span", { class: "tag t-" + (d.breaker === "closed" ? "ok" : "overdue") }, d.breaker === "closed" ? "healthy" : d.breaker)), h("td", { class: "num" }, num(d.waiting)), h("td", { class: "num" }, num(d.delivered)), h("td", { class: "num" }, num(d.failed)), h("td", { class: "num" }, ago(d.oldest))))))) : h("p", { class: "empty" }, "No webhook is configured: events are kept, nobody is told.")),
      h("section", { class: "card" }, h("h2", {}, "Held back"), Object.keys(o.held || {}).length ? h("div", { class: "facts" }, Object.entries(o.held).map(([k, v]) => fact(k, num(v)))) : h("p", { class: "empty" }, "Nothing is held back.")));
  },
};

function route() {
  const [page, id] = location.hash.replace(/^#\/?/, "").split("/");
  if (page === "vehicles" && id) { load(decodeURIComponent(id)); return "vehicles"; }
  close(false);
  return pages[page] ? page : "live";
}

let current = "live";
function draw() {
  for (const a of document.querySelectorAll(".tabs a")) a.classList.toggle("on", a.dataset.tab === current);
  const find = $("find"), text = find && find.value, focus = find && document.activeElement === find;
  $("page").replaceChildren(pages[current]());
  if (text && $("find")) { $("find").value = text; if (focus) $("find").focus(); }
  for (const l of [state.messages, state.leads, state.vehicles]) for (const x of l) x.fresh = false;
}

function drawOverview(o) {
  const prev = state.overview;
  if (prev) {
    const dt = (Date.parse(o.now) - Date.parse(prev.now)) / 1000;
    if (dt > 0) state.rate = (o.counters.received - prev.counters.received) / dt;
  }
  state.overview = o;
  for (const k of ["received", "applied", "duplicate", "late", "quarantined"]) $("c-" + k).textContent = num(o.counters[k]);
  $("c-rate").textContent = state.rate == null ? "–" : num(Math.max(0, state.rate));
  $("clock").textContent = clock(o.clock);
  const open = state.leads.filter((l) => l.state !== "closed").length;
  $("lead-count").textContent = open; $("lead-count").hidden = !open;
}

// The vehicle drawer.
function open(vin) { if (vin) location.hash = "#/vehicles/" + encodeURIComponent(vin); }
function close(go = true) { state.vehicle = null; $("vehicle").hidden = true; if (go) location.hash = "#/vehicles"; }
async function load(vin) {
  state.vehicle = vin;
  const [v, t] = await Promise.all([get("/api/v1/vehicles/" + encodeURIComponent(vin)), get("/api/v1/vehicles/" + encodeURIComponent(vin) + "/timeline?limit=80")]);
  if (state.vehicle === vin) drawVehicle(vin, v, (t && t.entries) || []);
}
async function get(url) {
  try { const r = await fetch(url); return r.ok ? await r.json() : null; } catch { return null; }
}

function drawVehicle(vin, v, story) {
  const box = $("vehicle"), top = box.hidden ? 0 : box.scrollTop;
  const p = (v && v.profile) || {};
  const fact = (k, x) => x == null || x === "" ? null : h("div", {}, h("span", {}, k), h("b", {}, String(x)));
  const head = h("header", {}, h("h1", {}, p.model ? p.model + " " : "", h("span", { class: "vin" }, vin)), h("button", { class: "icon", "aria-label": "Close", onclick: () => close() }, "×"));
  if (!v) { box.replaceChildren(head, h("p", { class: "empty" }, "This vehicle is not known.")); box.hidden = false; return; }
  const odo = v.odometer || {};
  box.replaceChildren(head,
    h("section", { class: "card" }, h("div", { class: "big", id: "odometer" }, odo.km == null ? "no odometer yet" : num(odo.km, 1), odo.km == null ? null : h("small", {}, " km, read " + clock(odo.at))),
      h("div", { class: "facts" }, fact("plate", p.plate), fact("powertrain", p.powertrain), fact("plan", v.plan), fact("owner", p.owner), fact("dealer", p.dealer), fact("in service", p.in_service), fact("zone", p.timezone))),
    h("section", { class: "card" }, h("h2", {}, "Maintenance"), (v.items || []).length ? h("table", {}, h("tbody", {}, v.items.map((i) => h("tr", {}, h("td", {}, h("span", { class: "tag t-" + i.state }, i.state)), h("td", {}, i.title || i.id), h("td", { class: "num when" }, dueText(i.due)))))) : h("p", { class: "empty" }, v.plan || "No plan.")),
    (v.alerts || []).length ? h("section", { class: "card" }, h("h2", {}, "Alerts"), h("table", {}, h("tbody", {}, v.alerts.map((a) => h("tr", {}, h("td", {}, h("span", { class: "tag t-" + (a.severity || "warning") }, a.state || "firing")), h("td", {}, a.title || a.rule), h("td", { class: "num when" }, clock(a.since))))))) : "",
    h("section", { class: "card" }, h("h2", {}, "Signals"), h("div", { class: "facts" }, Object.entries(v.signals || {}).map(([k, s]) => fact(k, Array.isArray(s.value) ? s.value.join(" ") || "none" : typeof s.value === "number" ? num(s.value, 2) : String(s.value))))),
    h("section", { class: "card" }, h("h2", {}, "Timeline"), story.length ? h("ol", { class: "story" }, story.map((e) => h("li", { class: "t-" + toneOf(e) }, h("time", {}, clock(e.time)), h("span", {}, e.text || e.title || e.type || e.kind), e.held ? h("span", { class: "held" }, e.held) : null))) : h("p", { class: "empty" }, "Nothing has happened yet.")));
  box.hidden = false;
  box.scrollTop = top;
}
function dueText(d) {
  if (!d) return "";
  return [d.km != null ? num(d.km) + " km" : null, d.hours != null ? num(d.hours, 1) + " h" : null, d.date].filter(Boolean).join(" or ");
}

// Live updates.
function merge(listName, key, items) {
  const l = state[listName];
  for (const x of items) {
    const i = l.findIndex((y) => y[key] === x[key]);
    if (i >= 0) l.splice(i, 1);
    x.fresh = true;
    l.unshift(x);
  }
  if (l.length > MAX) l.length = MAX;
}
let pending = 0;
function soon() { if (!pending) pending = requestAnimationFrame(() => { pending = 0; draw(); }); }

function connect() {
  const es = new EventSource("/api/v1/stream");
  const link = (text, cls) => { $("link").textContent = text; $("link").className = "pill " + cls; };
  es.addEventListener("snapshot", (e) => {
    const s = JSON.parse(e.data);
    state.messages = s.messages || []; state.leads = s.leads || []; state.vehicles = s.vehicles || []; state.rate = null; state.overview = null;
    drawOverview(s.overview); link("live", ""); draw();
    if (state.vehicle) load(state.vehicle);
  });
  es.addEventListener("update", (e) => {
    const u = JSON.parse(e.data);
    if (u.messages) merge("messages", "id", u.messages);
    if (u.leads) merge("leads", "lead", u.leads);
    if (u.vehicles) merge("vehicles", "vin", u.vehicles);
    if (u.overview) drawOverview(u.overview);
    link("live", ""); soon();
    if (state.vehicle && (u.vehicles || []).concat(u.messages || []).some((x) => x.vin === state.vehicle)) load(state.vehicle);
  });
  es.onerror = () => link("reconnecting", "wait");
}

addEventListener("hashchange", () => { current = route(); draw(); });
addEventListener("keydown", (e) => { if (e.key === "Escape" && state.vehicle) close(); });
current = route();
draw();
connect();
