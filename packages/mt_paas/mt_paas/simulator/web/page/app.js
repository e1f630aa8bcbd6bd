"use strict";
// The page of the simulator. It shows what the journal streams and what the state says, and sends commands; texts of the
// service are set as text, never as markup.

const $ = (id) => document.getElementById(id);
const MARKS = { pending: "…", info: "·", good: "✓", refused: "–", warning: "!", wrong: "✗", alert: "!" };
const KNOBS = {
  delay: { label: "Delay", max: 10, step: 0.1, unit: " s", hint: "Each call is held back." },
  fail: { label: "Fail", max: 1, step: 0.05, hint: "The market hangs up after sending, or gives up before the answer; then it tries again." },
  repeat: { label: "Repeat", max: 1, step: 0.05, hint: "A lifecycle call is sent twice; the answers must agree." },
  disorder: { label: "Disorder", max: 1, step: 0.05, hint: "A deactivation overtakes an activation, or an activation comes late." },
};
const ABOUT_TENANTS = /^\S+ TENANT/;
const NEEDS_MORE = /^\S+ TENANT [A-Z_]+/;

let state = null;
const rows = new Map();

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });

function link(address, text) {
  return /^https?:\/\//.test(address)
    ? make("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text)
    : document.createTextNode(address);
}

async function send(method, path, content) {
  const response = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  });
  return response.json();
}

// Commands

const quoted = (text) => (/^[\w@.+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

async function run(command, button) {
  if (button) button.disabled = true;
  document.body.classList.add("working");
  try {
    showResult(await send("POST", "/simulator/commands", { command }));
  } catch {
    showResult({ command, ok: false, text: "The simulator does not answer; was it ended?", links: {} });
  } finally {
    document.body.classList.remove("working");
    if (button) button.disabled = false;
  }
  await refresh();
}

function showResult(outcome) {
  const result = $("result");
  result.hidden = false;
  result.className = `result ${outcome.ok ? "good" : "bad"}`;
  const links = Object.entries(outcome.links ?? {}).map(([name, address]) =>
    make("div", {}, make("span", { class: "quiet" }, `${name} `), link(address, address)));
  const answer = outcome.answer
    ? make("details", {}, make("summary", {}, "the service's answer"), make("pre", {}, JSON.stringify(outcome.answer, null, 2)))
    : null;
  result.replaceChildren(
    make("button", { class: "small close", type: "button", "aria-label": "Close", onclick: () => { result.hidden = true; } }, "×"),
    make("div", {}, make("code", {}, outcome.command ?? ""), " "),
    make("pre", { class: "said" }, outcome.text ?? outcome.message ?? ""), ...links, answer ?? "");
}

$("command-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const line = $("command").value.trim();
  if (!line) return;
  $("command").value = "";
  $("command").placeholder = "activate hallym_univ premium";
  run(line);
});

$("activate-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const words = ["activate", form.get("tenant")];
  if (form.get("plan")) words.push(form.get("plan"));
  for (const name of ["name", "email"]) if (form.get(name).trim()) words.push(`${name}=${quoted(form.get(name).trim())}`);
  run(words.join(" "), event.submitter);
});

$("reload").addEventListener("click", (event) => run("reload", event.target));

// State

let refreshing = null;
let again = false;

async function refresh() {
  if (refreshing) { again = true; return refreshing; }
  refreshing = (async () => {
    do {
      again = false;
      try {
        const response = await fetch("/simulator/state");
        state = await response.json();
        show();
      } catch { /* the stream tells that the simulator is away */ }
    } while (again);
  })();
  await refreshing;
  refreshing = null;
}

function show() {
  showService();
  showTenants();
  showKnobs();
  showManifest();
  showEvents();
  const words = state.commands.flatMap((command) => ABOUT_TENANTS.test(command.usage)
    ? [command.name, ...state.tenants.map((tenant) => `${command.name} ${tenant.tenant_id}`)] : [command.name]);
  fill($("completions"), words.map((word) => make("option", { value: word })));
}

// A list is replaced only when it changed: otherwise a select would close, and a text would lose its selection.
const shown = new WeakMap();
function changed(element, value) {
  const text = JSON.stringify(value);
  if (shown.get(element) === text) return false;
  shown.set(element, text);
  return true;
}
function fill(element, children) {
  if (changed(element, children.map((child) => child.outerHTML))) element.replaceChildren(...children);
}

function badge(element, text, kind) {
  element.textContent = text;
  element.className = `badge ${kind}`;
  element.hidden = !text;
}

function showService() {
  const manifest = state.service.manifest;
  const name = manifest ? `${manifest.service.name} ${manifest.service.version}` : "no manifest that can be used";
  $("service").replaceChildren(make("strong", {}, name), " ", make("span", { class: "quiet" }, state.service.target));
  document.title = `${manifest ? manifest.service.name : "No manifest"} · Market simulator`;
  const health = state.health.status;
  badge($("health"), health ? health + (state.health.is_alerting ? " · ALERT" : "") : "", health === "healthy" ? "good" : health === "degraded" ? "warning" : "bad");
  badge($("faults"), state.faults ? `${state.faults} against the contract` : "nothing against the contract", state.faults ? "bad" : "quiet");
  const plans = state.service.plans.length ? state.service.plans : ["basic"];
  fill($("activate-form").elements.plan, plans.map((plan) => make("option", { value: plan }, plan)));
}

function showTenants() {
  if (!changed($("tenants"), [state.tenants, state.commands])) return;
  const cards = state.tenants.map(card).reverse();
  $("tenants").replaceChildren(...(cards.length ? cards : [make("p", { class: "quiet" }, "None yet. Activate one above.")]));
  const selected = $("only-tenant").value;
  $("only-tenant").replaceChildren(make("option", { value: "" }, "every tenant"),
    ...state.tenants.map(({ tenant_id: id }) => make("option", { value: id, selected: id === selected }, id)));
}

function card(tenant) {
  const seen = tenant.seen;
  const fact = (name, value) => value ? [make("dt", {}, name), make("dd", {}, value)] : [];
  const figures = seen && `users ${seen.users.total}, today ${seen.users.active_today} · ${+seen.storage.used_gb.toFixed(3)}${seen.storage.limit_gb === null ? "" : ` of ${seen.storage.limit_gb}`} GB`;
  const buttons = state.commands
    .filter((command) => command.states && command.states.includes(tenant.state))
    .filter((command) => command.name !== "activate" || tenant.state === "active")
    .map((command) => button(command, tenant));
  return make("article", { class: `tenant ${tenant.state}` },
    make("h3", {}, tenant.tenant_id,
      make("span", { class: `state ${tenant.state}` }, tenant.state),
      tenant.is_drifting ? make("span", { class: "state failed", title: "the service says something else than this market believes" }, `service: ${seen.status}`) : null),
    make("dl", {},
      ...fact("name", tenant.tenant_name !== tenant.tenant_id && tenant.tenant_name),
      ...fact("plan", tenant.plan + (seen && seen.plan !== tenant.plan ? ` (service: ${seen.plan})` : "")),
      ...fact("service says", figures),
      ...fact("closes", tenant.deactivate_at),
      ...fact("data kept until", tenant.state === "deactivated" && tenant.deadline),
      ...fact("failed", tenant.failure),
      ...fact("reported usage", Object.values(tenant.usage_reports).map((report) =>
        `${report.period}: ${Object.entries(report.usage).map(([name, value]) => `${name} ${value}`).join(", ")}`).join("; ")),
      ...fact("links", tenant.state !== "purged" && tenant.access_url && make("span", { class: "links" }, link(tenant.access_url, "open"),
        tenant.setup_url ? link(tenant.setup_url, "set up") : null))),
    make("div", { class: "buttons" }, ...buttons));
}

function button(command, tenant) {
  const line = `${command.name} ${tenant.tenant_id}`;
  const needsMore = NEEDS_MORE.test(command.usage);
  return make("button", {
    type: "button",
    class: `small ${["purge", "deactivate"].includes(command.name) ? "danger" : ""}`,
    title: command.summary,
    onclick: (event) => {
      if (!needsMore) return run(line, event.target);
      $("command").value = `${line} `;
      $("command").placeholder = command.usage;
      $("command").focus();
    },
  }, command.name === "activate" ? "activate again" : command.name.replace("-", " ") + (needsMore ? "…" : ""));
}

function showKnobs() {
  $("seed").textContent = `seed ${state.seed}`;
  if (document.activeElement && $("knobs").contains(document.activeElement) && document.activeElement.matches(":active")) return;
  if (!changed($("knobs"), state.knobs)) return;
  $("knobs").replaceChildren(...Object.entries(KNOBS).map(([name, knob]) => {
    const value = state.knobs[name];
    const told = (number) => (knob.unit ? `${+number}${knob.unit}` : `${Math.round(number * 100)} %`);
    const output = make("output", {}, told(value));
    const input = make("input", {
      type: "range", min: 0, max: Math.max(knob.max, value), step: knob.step, value, "aria-label": knob.label,
      oninput: (event) => { output.textContent = told(event.target.value); },
      onchange: (event) => send("PATCH", "/simulator/knobs", { [name]: Number(event.target.value) }).then(refresh),
    });
    return make("label", { class: value ? "knob turned" : "knob", title: knob.hint }, make("span", {}, knob.label), input, output,
      make("small", {}, knob.hint));
  }));
}

function showManifest() {
  if (!changed($("manifest"), state.service)) return;
  const { service } = state;
  const faults = service.faults.map((fault) => make("li", {}, fault));
  const manifest = service.manifest;
  $("manifest").replaceChildren(
    make("p", { class: "quiet" }, service.is_default ? "The service serves no manifest; it is called by the paths of version 1." : service.source),
    service.trouble ? make("p", { class: "trouble" }, `${service.trouble}.`) : "",
    faults.length ? make("ul", { class: "faults" }, ...faults) : "",
    manifest ? make("p", {}, service.extensions.length ? `Extensions: ${service.extensions.join(", ")}` : "No extensions declared.") : "",
    manifest ? make("details", {}, make("summary", {}, "as it was read"), make("pre", {}, JSON.stringify(manifest, null, 2))) : "");
}

function showEvents() {
  $("event-count").textContent = state.events.length ? String(state.events.length) : "";
  fill($("events"), state.events.length
    ? state.events.toReversed().map((event) => make("article", {},
      make("header", {}, make("strong", {}, event.type), " ", make("span", {}, event.tenant_id ?? "the service"),
        make("time", {}, clock(event.at)), make("code", {}, event.id)),
      make("pre", {}, JSON.stringify(event.data, null, 2))))
    : [make("p", { class: "quiet" }, "None came. Events arrive at the call-back of activate, usage reports by MarketplaceClient.")]);
}

// The log

function row(entry) {
  const isCall = entry.kind === "call";
  const time = make("time", {}, clock(entry.at));
  const head = isCall
    ? [make("span", { class: "method" }, entry.method), make("span", { class: "path" }, entry.url),
      make("span", { class: "status" }, entry.status ?? (entry.level === "pending" ? "" : "—")),
      make("span", { class: "ms" }, entry.level === "pending" ? "" : `${Math.round(entry.milliseconds)} ms`)]
    : [make("span", { class: "text" }, entry.text)];
  const says = isCall && entry.says ? make("div", { class: "says" }, entry.says) : null;
  const line = make("div", { class: "line" }, time, make("span", { class: "mark" }, MARKS[entry.level]), ...head);
  const body = isCall || entry.event
    ? make("details", {}, make("summary", {}, line, says),
      ...(isCall
        ? [exchange("request", entry.request), exchange("response", entry.response)]
        : [make("pre", {}, JSON.stringify(entry.event, null, 2))]))
    : make("div", { class: "plain" }, line);
  const item = make("li", { class: `${entry.kind} ${entry.level}` }, body);
  item.dataset.tenant = entry.tenant_id ?? "";
  item.dataset.health = String(entry.call === "health");
  return item;
}

function exchange(title, side) {
  const headers = Object.entries(side.headers).map(([name, value]) => `${name}: ${value}`).join("\n");
  const body = side.body === null ? "" : typeof side.body === "string" ? side.body : JSON.stringify(side.body, null, 2);
  return make("div", { class: "exchange" }, make("h4", {}, title), make("pre", { class: "headers" }, headers), body ? make("pre", {}, body) : "");
}

function add(entry) {
  const log = $("log");
  const item = row(entry);
  const before = rows.get(entry.id);
  if (before) {
    if (before.querySelector("details")?.open) item.querySelector("details").open = true;
    before.replaceWith(item);
  } else {
    log.prepend(item);
  }
  rows.set(entry.id, item);
  while (log.children.length > 1000) log.lastElementChild.remove();
  filterOne(item);
}

function filterOne(item) {
  const tenant = $("only-tenant").value;
  const isWrong = ["wrong", "alert", "warning"].some((level) => item.classList.contains(level));
  item.hidden = ($("only-wrong").checked && !isWrong)
    || ($("without-health").checked && item.dataset.health === "true" && !isWrong)
    || (tenant !== "" && item.dataset.tenant !== tenant);
}

for (const id of ["only-wrong", "without-health", "only-tenant"]) {
  $(id).addEventListener("change", () => { for (const item of $("log").children) filterOne(item); });
}
$("clear").addEventListener("click", () => { $("log").replaceChildren(); rows.clear(); });

for (const name of ["log", "events"]) {
  $(`tab-${name}`).addEventListener("click", () => {
    for (const other of ["log", "events"]) {
      $(other).hidden = other !== name;
      $("filters").hidden = name !== "log";
      $(`tab-${other}`).setAttribute("aria-selected", String(other === name));
    }
  });
}

let due = null;
function soon() {
  due ??= setTimeout(() => { due = null; refresh(); }, 120);
}

const stream = new EventSource("/simulator/log");
stream.addEventListener("open", () => { badge($("connection"), "live", "good"); soon(); });
stream.addEventListener("error", () => badge($("connection"), "the simulator is away", "bad"));
stream.addEventListener("message", (message) => { add(JSON.parse(message.data)); soon(); });
refresh();
