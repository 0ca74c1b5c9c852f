// The console: one page, kept live over one stream of what changes. State is what the engine last said.
import { t, num, when, lang, h } from "./words.js";
import { pages } from "./pages.js";
import { load, draw } from "./vehicle.js";

const $ = (id) => document.getElementById(id);
const MAX = 200;
const state = {
  overview: null, messages: [], leads: [], vehicles: [], rate: null,
  now: () => state.overview ? Date.parse(state.overview.clock) : Date.now(),
};

// Asking the engine.
const auth = () => { const token = sessionStorage.getItem("token"); return token ? { Authorization: "Bearer " + token } : {}; };
async function get(url) {
  try { const r = await fetch(url, { headers: auth() }); return r.ok ? await r.json() : null; } catch { return null; }
}

// Pages.
let current = "", page = null, vin = null, opener = null;
function route() {
  const [name, id] = location.hash.replace(/^#\/?/, "").split("/");
  const next = pages[name] ? name : "live";
  if (next !== current) {
    current = next;
    page = pages[next](state, get);
    $("page").replaceChildren(page.el);
    document.body.dataset.page = next;
    for (const a of document.querySelectorAll(".tabs a")) a.toggleAttribute("aria-current", a.dataset.tab === next);
    page.update();
  }
  if (id) show(decodeURIComponent(id));
  else hide();
}

let frame = 0;
const redraw = () => { frame ||= requestAnimationFrame(() => { frame = 0; page.update(); }); };

// The vehicle that is open. One question at a time; what changes meanwhile asks once more.
let asking = false, again = false;
async function show(id) {
  const opened = vin !== id;
  if (opened && !vin) opener = document.activeElement;
  vin = id;
  if (asking) { again = true; return; }
  asking = true;
  do {
    again = false;
    const seen = await load(vin, get);
    if (seen.vin !== vin) { again = !!vin; continue; }
    const box = $("vehicle");
    draw(box, seen, state.leads.find((l) => l.vin === vin && l.state !== "closed"), close);
    if (box.hidden) {
      box.hidden = false;
      box.querySelector("button").focus({ preventScroll: true });
    }
  } while (again);
  asking = false;
}
function hide() {
  vin = null;
  $("vehicle").hidden = true;
  if (opener && opener.isConnected) opener.focus({ preventScroll: true });
  opener = null;
}
const close = () => { location.hash = "#/vehicles"; };

// What the engine says.
function overview(o) {
  const before = state.overview, k = o.counters;
  if (before) {
    const seconds = (Date.parse(o.now) - Date.parse(before.now)) / 1000;
    if (seconds > 0) state.rate = Math.max(0, (k.received - before.counters.received) / seconds);
  }
  state.overview = o;
  for (const name of ["received", "applied", "duplicate", "late", "quarantined"]) $("c-" + name).textContent = num(k[name]);
  const flight = k.received - k.applied - k.duplicate - k.late - k.quarantined;
  $("c-flight").textContent = num(Math.max(0, flight));
  $("c-rate").textContent = state.rate == null ? "–" : num(state.rate);
  $("clock").textContent = when(o.clock);
  $("alarm").hidden = !o.alarm;
  if (o.alarm) $("alarm").textContent = t("Intake has stopped") + ": " + o.alarm;
  const open = state.leads.filter((l) => l.state !== "closed").length;
  $("lead-count").textContent = num(open) + (open >= MAX ? "+" : "");
  $("lead-count").hidden = !open;
}

// merge puts what changed in its place: what is known stays where it is, what is new goes on top.
function merge(list, key, items, most = Infinity) {
  for (const x of items) {
    const i = list.findIndex((y) => y[key] === x[key]);
    if (i >= 0) list[i] = x;
    else if (most-- > 0) list.unshift(x);
  }
  if (list.length > MAX) list.length = MAX;
}

const listeners = {
  snapshot(s) {
    Object.assign(state, { messages: s.messages || [], leads: s.leads || [], vehicles: s.vehicles || [], rate: null, overview: null });
    overview(s.overview);
    redraw();
    if (vin) show(vin);
  },
  update(u) {
    merge(state.messages, "id", u.messages || []);
    merge(state.leads, "lead", u.leads || []);
    const spare = state.vehicles.length < 12 || (u.vehicles || []).length < 12 ? Infinity : 1; // of a busy fleet a row now and then
    merge(state.vehicles, "vin", u.vehicles || [], spare);
    state.leads.sort((a, b) => b.updated - a.updated);
    if (u.overview) overview(u.overview);
    redraw();
    // A busy stream does not name every car: the open one is asked for each second as well.
    if (vin && (u.overview || [u.vehicles, u.messages, u.leads].some((l) => (l || []).some((x) => x.vin === vin)))) show(vin);
  },
};

// The stream: server-sent events, read with fetch so that a token can go with it.
const QUIET = 6000; // figures come each second: longer silence is a lost connection
async function listen() {
  const stop = new AbortController();
  let watch = setTimeout(() => stop.abort(), QUIET);
  try {
    const r = await fetch("/api/v1/stream", { headers: auth(), signal: stop.signal });
    if (!r.ok) {
      clearTimeout(watch);
      const why = (await r.json().catch(() => ({}))).detail || r.statusText;
      if (r.status === 401 || r.status === 403) return await askToken(why);
      return void await pause(r.status === 429 ? 1000 * (r.headers.get("Retry-After") || 10) : 3000);
    }
    const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(() => stop.abort(), QUIET);
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const [, name, data] = part.match(/^event: (\w+)\ndata: (.*)$/s) || [];
        if (!listeners[name]) continue;
        listeners[name](JSON.parse(data));
        link(true);
      }
    }
  } finally {
    clearTimeout(watch);
    stop.abort();
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

let lost = 0;
function link(up) {
  if (up) lost = 0;
  else lost ||= Date.now();
  $("link").textContent = t(up ? "live" : state.overview ? "reconnecting" : "connecting");
  $("link").classList.toggle("wait", !up);
  const gone = !up && state.overview && Date.now() - lost > 700;
  $("lost").hidden = !gone;
  if (gone) $("lost").textContent = t("Connection to the engine lost. Trying again; what you see is as of") + " " + when(state.overview.clock);
  document.body.classList.toggle("offline", !!gone);
}

// askToken asks for a token and says what was wrong with the one shown. It lives as long as the tab.
function askToken(why) {
  const shown = sessionStorage.getItem("token");
  sessionStorage.removeItem("token");
  return new Promise((resolve) => {
    const input = h("input", { class: "search", type: "password", autocomplete: "current-password", "aria-label": t("This engine asks for a token") });
    const form = h("form", { class: "card token", onsubmit: (e) => { e.preventDefault(); sessionStorage.setItem("token", input.value.trim()); current = ""; route(); resolve(); } },
      h("h2", {}, t("This engine asks for a token")), h("p", { class: "note" }, t("A token with role read or admin, from the engine's tokens file.")), shown ? h("p", { class: "lost", role: "alert" }, why) : "", input, h("button", { class: "primary" }, t("Continue")));
    $("page").replaceChildren(form);
    input.focus();
  });
}

document.documentElement.lang = lang;
for (const e of document.querySelectorAll("[data-t]")) e.textContent = t(e.dataset.t);
addEventListener("hashchange", route);
addEventListener("keydown", (e) => { if (e.key === "Escape" && vin) close(); });
route();
for (;;) {
  try { await listen(); } catch { /* lost: said by link, tried again below */ }
  link(false);
  await pause(300);
}
