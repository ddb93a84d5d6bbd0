"use strict";
// Everything that comes from the model or the server is put in as text, never as markup.

const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function drawing(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Text that a shell takes as one word.
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const spelt = (number) => Number(number.toPrecision(4)).toString();

async function fetched(path, options) {
  const response = await fetch(path, options);
  const text = await response.text();
  if (!response.ok) {
    let sentence = text;
    try { sentence = JSON.parse(text).error; } catch { /* it is no JSON: shown as it is */ }
    throw new Error(`${response.status}: ${sentence}`);
  }
  return text;
}

// The model.

// Each of its classes is there or not, instead of one of them.
const hasSeveralLabels = (model) => model.task === "multilabel";

function showFacts(model) {
  document.title = `${model.name} ${model.version}`;
  byId("name").textContent = model.name;
  byId("version").textContent = model.version;
  const proof = model.equivalence;
  const facts = [
    ["task", model.task], ["format", model.format], ["features", model.features.length],
    ...(model.classes.length ? [[hasSeveralLabels(model) ? "labels" : "classes", model.classes.join(", ")]] : []),
    ...Object.entries(model.quality).map(([name, value]) => [name, spelt(value)]),
    ["the pipeline's own within", `${spelt(proof.largest_difference)} over ${proof.rows} rows`],
    ["SHA-256", `${model.sha256.slice(0, 12)}…`],
  ];
  byId("facts").append(...facts.map(([name, value]) => element("li", {}, `${name} `, element("b", {}, String(value)))));
  byId("footer").textContent = `Served by ${model.server}.`;
}

// The form.

function hint(feature) {
  const low = feature.minimum ?? null, high = feature.maximum ?? null;
  const range = low !== null && high !== null ? `${low} to ${high}` : low !== null ? `from ${low}` : high !== null ? `up to ${high}` : "";
  const beyond = range && feature.out_of_range === "clamp" ? ", else the nearest" : "";
  return [feature.datatype, range + beyond, feature.nullable ? "may be empty" : ""].filter(Boolean).join(" · ");
}

function control(feature, id, value) {
  const text = value === null || value === undefined ? "" : String(value);
  const choices = feature.datatype === "BOOL" ? ["true", "false"] : (feature.categories ?? []).map(String);
  if (feature.datatype === "BOOL" || (choices.length && choices.length <= 50 && feature.unknown !== "ignore")) {
    const options = [...(feature.nullable ? [""] : []), ...choices];
    const select = element("select", { id }, ...options.map((choice) => element("option", { value: choice }, choice)));
    select.value = options.includes(text) ? text : options[0];
    return select;
  }
  const input = element("input", { id, autocomplete: "off", ...(feature.datatype === "BYTES" ? {} : { inputmode: "decimal" }) });
  input.value = text;
  return input;
}

function showForm(model) {
  byId("fields").append(...model.features.map((feature, number) => {
    const id = `feature-${number}`;
    return element("div", {}, element("label", { for: id }, feature.name), control(feature, id, model.example[feature.name]),
      element("small", {}, hint(feature)));
  }));
}

// What stands in a field, as JSON. What is no number is sent as it is: the server says what it thinks of it.
function sent(feature, text) {
  if (feature.datatype === "BYTES") return text === "" && feature.nullable ? null : text;
  const trimmed = text.trim();
  if (trimmed === "") return null;
  if (feature.datatype === "BOOL") return trimmed === "true";
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : text;
}

function question(model) {
  const row = Object.fromEntries(model.features.map((feature, number) => [feature.name, sent(feature, byId(`feature-${number}`).value)]));
  const names = model.classes.length ? ["label", "probabilities"] : ["value"];
  const wanted = model.explains ? { outputs: [...names, "explanation", "base_value"].map((name) => ({ name })) } : {};
  return { rows: [row], ...wanted };
}

const inferPath = (model) => `v2/models/${model.name}/infer`;

function showCurl(model) {
  const url = new URL(inferPath(model), location.href).href;
  byId("curl").textContent = `curl -s ${quoted(url)} \\\n  -d ${quoted(JSON.stringify({ rows: question(model).rows }))}`;
}

// The answer.

// A table of bars. Each item: a name, a value, and where the bar begins and ends, as shares of the width.
function bars(items) {
  return element("table", { class: "bars" }, element("tbody", {}, ...items.map(({ name, figure, from, to, kind, axis }) => {
    const picture = drawing("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    picture.append(drawing("rect", { class: "track", x: 0, y: 3, width: 100, height: 4 }));
    picture.append(drawing("rect", { class: kind, x: 100 * from, y: 0, width: Math.max(100 * (to - from), 0.4), height: 10 }));
    if (axis) picture.append(drawing("line", { class: "axis", x1: 50, x2: 50, y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" }));
    return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, picture), element("td", { class: "figure" }, figure));
  })));
}

function probabilities(model, values) {
  return bars(model.classes.map((name, place) => ({ name: String(name), figure: values[place].toFixed(4), from: 0, to: values[place], kind: "bar" })));
}

// Of one class or value, by its place in the explanation.
function explanation(model, outputs, place, what) {
  const width = model.features.length;
  const parts = outputs.explanation.data.slice(place * width, (place + 1) * width);
  const largest = Math.max(...parts.map(Math.abs), Number.MIN_VALUE);
  const ordered = parts.map((part, number) => ({ part, name: model.features[number].name })).sort((a, b) => Math.abs(b.part) - Math.abs(a.part));
  return element("div", {},
    element("h3", {}, `What each feature added to ${what}, from ${spelt(outputs.base_value.data[place])} on`),
    bars(ordered.slice(0, 20).map(({ part, name }) => {
      const end = 0.5 + 0.5 * part / largest;
      return { name, figure: (part < 0 ? "−" : "+") + spelt(Math.abs(part)), from: Math.min(0.5, end), to: Math.max(0.5, end), kind: part < 0 ? "less" : "more", axis: true };
    })),
    ordered.length > 20 ? element("p", { class: "quiet" }, `and ${ordered.length - 20} smaller ones`) : null);
}

function explanations(model, outputs, label) {
  const several = outputs.explanation.shape.length === 3;
  if (!model.classes.length) {
    return outputs.value.data.map((_, place) => explanation(model, outputs, place, several ? `value ${place}` : "the value"));
  }
  const place = several ? model.classes.indexOf(label) : 0;
  return [explanation(model, outputs, place, `the log-odds of ${several ? label : model.classes[1]}`)];
}

function answered(model, outputs) {
  if (!outputs.label) return outputs.value.data.map(spelt).join(", ");
  if (!hasSeveralLabels(model)) return outputs.label.data[0];
  return model.classes.filter((_, place) => outputs.label.data[place] === 1).join(", ") || "none of them";
}

function showAnswer(model, answer) {
  const outputs = Object.fromEntries(answer.outputs.map((output) => [output.name, output]));
  const label = answered(model, outputs);
  const clamped = answer.parameters?.clamped ?? [];
  byId("answer").replaceChildren(
    element("p", { class: "label" }, String(label)),
    ...(outputs.probabilities ? [probabilities(model, outputs.probabilities.data)] : []),
    ...clamped.map((place) => element("p", { class: "quiet" }, `${place}: beyond its range, answered for the nearest value in it`)),
    ...(outputs.explanation ? explanations(model, outputs, label) : []));
}

const refusal = (error) => element("p", { class: "refusal" }, error.message);

async function ask(model) {
  const headers = { "content-type": "application/json" };
  try {
    showAnswer(model, JSON.parse(await fetched(inferPath(model), { method: "POST", headers, body: JSON.stringify(question(model)) })));
  } catch (error) {
    byId("answer").replaceChildren(refusal(error));
  }
}

// A file.

// The cells of a line of CSV. (A class with a line feed in its name would be two lines here; the file is right.)
const cellsOf = (line) => [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, inQuotes, plain]) => inQuotes?.replaceAll('""', '"') ?? plain);

let download = null;

async function askFile(model, file) {
  try {
    const text = await fetched(inferPath(model), { method: "POST", headers: { "content-type": "text/csv" }, body: file });
    const lines = text.trimEnd().split("\n");
    if (download !== null) URL.revokeObjectURL(download);
    download = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    const [header, ...shown] = lines.slice(0, 21).map(cellsOf);
    byId("table").replaceChildren(
      element("p", {}, `${lines.length - 1} rows. `, element("a", { href: download, download: `answers-${file.name}` }, "Save the answers")),
      element("div", { class: "scroll" }, element("table", { class: "answers" },
        element("thead", {}, element("tr", {}, ...header.map((cell) => element("th", { scope: "col" }, cell)))),
        element("tbody", {}, ...shown.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))))))));
  } catch (error) {
    byId("table").replaceChildren(refusal(error));
  }
}

// The OpenAPI document.

// The schema with what it refers to in its place, so that it can be read without turning pages.
function whole(document, node) {
  if (Array.isArray(node)) return node.map((item) => whole(document, item));
  if (node === null || typeof node !== "object") return node;
  if (typeof node.$ref === "string") return whole(document, document.components.schemas[node.$ref.split("/").pop()]);
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, whole(document, value)]));
}

function contents(document, content) {
  return Object.entries(content).map(([type, { schema }]) => element("div", {},
    element("h3", {}, type), element("pre", {}, JSON.stringify(whole(document, schema), null, 2))));
}

function operation(document, path, method, spec) {
  const details = element("details", {}, element("summary", {},
    element("span", { class: `method ${method}` }, method.toUpperCase()), element("code", {}, path), ` ${spec.summary}`));
  // Made when it is opened: the schemas of a model with many features are long.
  details.addEventListener("toggle", () => details.append(element("div", {},
    ...(spec.requestBody ? [element("h3", {}, "Request"), element("p", { class: "quiet" }, spec.requestBody.description ?? ""), ...contents(document, spec.requestBody.content)] : []),
    ...Object.entries(spec.responses).flatMap(([status, answer]) => [
      element("h3", {}, `${status} ${answer.description}`),
      ...(status === "200" ? contents(document, answer.content) : [])]))), { once: true });
  return details;
}

function showInterface(document) {
  byId("api").append(...Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, spec]) => operation(document, path, method, spec))));
}

async function main() {
  try {
    const [model, document] = (await Promise.all([fetched("page/model.json"), fetched("v2/openapi.json")])).map((text) => JSON.parse(text));
    showFacts(model);
    showForm(model);
    showCurl(model);
    showInterface(document);
    byId("form").addEventListener("input", () => showCurl(model));
    byId("form").addEventListener("submit", (event) => { event.preventDefault(); ask(model); });
    byId("file").addEventListener("change", (event) => { if (event.target.files.length) askFile(model, event.target.files[0]); });
    // A link may ask at once: /#ask
    if (location.hash === "#ask") ask(model);
  } catch (error) {
    byId("broken").hidden = false;
    byId("broken").textContent = `This page could not be filled: ${error.message}`;
  }
}

main();
