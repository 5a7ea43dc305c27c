"use strict";
const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id).textContent);
const root = document.documentElement;

// Light or dark: the reader's choice, otherwise the system's; print is always light.
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => root.classList.contains("dark");
function show(dark) {
  root.classList.toggle("dark", dark);
  root.classList.toggle("light", !dark);
  byId("theme").textContent = dark ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", dark ? "Switch to light colours" : "Switch to dark colours");
}
let chosen = null;
try { chosen = localStorage.getItem("pid-report-theme"); } catch { /* a page that may not store */ }
show(chosen ? chosen === "dark" : system.matches);
system.addEventListener("change", (event) => { if (!chosen) show(event.matches); });
byId("theme").hidden = false;
byId("theme").addEventListener("click", () => {
  show(!isDark());
  chosen = isDark() ? "dark" : "light";
  try { localStorage.setItem("pid-report-theme", chosen); } catch { /* as above */ }
});
let before = false;
addEventListener("beforeprint", () => { before = isDark(); show(false); });
addEventListener("afterprint", () => { show(before); });

// Charts: their data are shared columns.
const columns = parsed("columns");
const widths = parsed("widths");
const unpacked = new Map();
function column(number) {
  if (!unpacked.has(number)) {
    const packed = columns[number];
    unpacked.set(number, Array.isArray(packed) ? packed : packed.codes.map((code) => packed.values[code]));
  }
  return unpacked.get(number);
}
function rows(dataset) {
  const names = Object.keys(dataset);
  const values = names.map((name) => column(dataset[name]));
  const count = values.length ? values[0].length : 0;
  return Array.from({length: count}, (_, row) => Object.fromEntries(names.map((name, i) => [name, values[i][row]])));
}
const figures = [...document.querySelectorAll("figure[data-name]")].map((element) => ({
  element,
  box: element.querySelector(".chart"),
  chart: element.querySelector(".drawing"),
  specifications: parsed("specification-" + element.dataset.name),
  still: element.querySelector(".drawing").innerHTML,
  drawn: "",
  view: null,
}));

const filter = {model: "", dataset: ""};
const isOf = (name, wanted) => !wanted || name == null || name === wanted || String(name).startsWith(wanted + " · ");
const isKept = (row) => isOf(row.series ?? row.model, filter.model) && isOf(row.dataset, filter.dataset);
const isFiltered = () => Boolean(filter.model || filter.dataset);

function sizeFor(width) {
  const names = Object.keys(widths).sort((a, b) => widths[b] - widths[a]);
  return names.find((name) => widths[name] <= width) ?? names.at(-1);
}
async function draw(figure) {
  const size = sizeFor(figure.box.clientWidth);
  const wanted = [size, filter.model, filter.dataset].join("\n");
  if (figure.drawn === wanted) return;
  figure.drawn = wanted;
  const specification = structuredClone(figure.specifications[size]);
  let left = 0;
  for (const name of Object.keys(specification.datasets)) {
    const kept = rows(specification.datasets[name]).filter(isKept);
    specification.datasets[name] = kept;
    left += kept.filter((row) => row.series ?? row.model ?? row.family ?? row.kind).length;
  }
  figure.view?.finalize();
  figure.view = null;
  if (isFiltered() && !left) {
    figure.chart.innerHTML = '<p class="absent">This figure has no data for the selected filter.</p>';
    return;
  }
  try {
    const made = await vegaEmbed(figure.chart, specification, {
      mode: "vega-lite",
      renderer: "svg",
      logLevel: 1,
      downloadFileName: figure.element.dataset.name,
      actions: {export: true, source: false, compiled: false, editor: false},
    });
    figure.view = made;
    fit(figure);
  } catch {
    figure.chart.innerHTML = figure.still;
  }
}
// A figure slightly wider than its box is scaled to fit; a much wider one scrolls inside the box, or its text would be too small.
const MOST_SCALED = 1.3;
function fit(figure) {
  const drawn = figure.chart.querySelector("svg.marks");
  const room = figure.box.clientWidth;
  const ratio = drawn.width.baseVal.value / room;
  if (ratio > 1 && ratio <= MOST_SCALED) Object.assign(drawn.style, {width: `${room}px`, height: "auto"});
}
let round = 0;
async function drawAll() {
  const mine = ++round;
  root.dataset.charts = "drawing";
  for (const figure of figures) {
    if (mine !== round) return;
    await draw(figure);
    await new Promise((resolve) => setTimeout(resolve));
  }
  root.dataset.charts = "drawn";
}
let later = 0;
addEventListener("resize", () => { clearTimeout(later); later = setTimeout(drawAll, 200); });

// Tables: DataTables sorts, searches and saves them.
function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function markdown(table) {
  const escaped = (text) => text.trim().replace(/\s+/g, " ").replace(/[\\|]/g, "\\$&");
  const line = (texts) => `| ${texts.map(escaped).join(" | ")} |`;
  const shown = table.rows({search: "applied", order: "applied"}).nodes().toArray();
  const headings = table.columns().header().toArray();
  const rules = headings.map((cell) => (cell.classList.contains("name") ? ":--" : "--:"));
  const cells = (row) => [...row.cells].map((cell) => cell.textContent);
  const titles = table.columns().titles().toArray();
  return [line(titles), `|${rules.join("|")}|`, ...shown.map((row) => line(cells(row)))].join("\n") + "\n";
}
const tables = [];
function enhance(element) {
  const name = element.dataset.name;
  const box = element.closest(".scroll");
  const texts = [...element.tHead.rows[0].cells].flatMap((cell, i) => (cell.classList.contains("name") ? [i] : []));
  const isLong = element.tBodies[0].rows.length > 5;
  const buttons = [
    {extend: "csvHtml5", text: "CSV", filename: name, titleAttr: "Save the rows shown as CSV"},
    {
      text: "Markdown",
      titleAttr: "Save the rows shown as Markdown",
      action: (_event, table) => save(markdown(table), name + ".md", "text/markdown"),
    },
  ];
  const table = new DataTable(element, {
    paging: false,
    info: false,
    autoWidth: false,
    order: [],
    layout: {
      topStart: isLong ? {search: {text: "", placeholder: "Filter rows"}} : null,
      topEnd: {buttons},
      bottomStart: null,
      bottomEnd: null,
    },
    columnDefs: isLong ? [{targets: texts, columnControl: {target: 0, content: [["searchList"]]}}] : [],
    language: {zeroRecords: "No rows match the filter."},
  });
  box.classList.add("widget");
  box.removeAttribute("tabindex");
  const inner = box.querySelector(".dt-layout-table");
  inner.tabIndex = 0;
  inner.setAttribute("role", "region");
  inner.setAttribute("aria-label", box.getAttribute("aria-label"));
  const headings = [...element.tHead.rows[0].cells].map((cell) => cell.dataset.heading);
  tables.push({table, places: {model: headings.indexOf("model"), dataset: headings.indexOf("dataset")}});
}
function filterTables() {
  for (const {table, places} of tables) {
    for (const [key, place] of Object.entries(places)) {
      if (place < 0) continue;
      const wanted = filter[key];
      table.column(place).search.fixed("page", wanted ? (text) => isOf(text, wanted) : null);
    }
    table.draw();
  }
}

// One filter for all charts and tables.
function choices(key) {
  const found = new Set();
  for (const {specifications} of figures) {
    for (const dataset of Object.values(Object.values(specifications)[0].datasets)) {
      const names = key === "model" ? [dataset.series ?? dataset.model] : [dataset.dataset];
      for (const number of names) if (number !== undefined) for (const name of column(number)) if (name) found.add(name);
    }
  }
  return [...found].sort((a, b) => a.localeCompare(b, "en", {numeric: true}));
}
function offer(key) {
  const select = byId("filter-" + key);
  const names = choices(key);
  for (const name of names) select.add(new Option(name, name));
  select.addEventListener("change", () => {
    filter[key] = select.value;
    byId("filter-note").textContent = isFiltered()
      ? "Means, medians, intervals and correlations over models are still those of the whole table."
      : "";
    filterTables();
    drawAll();
  });
  return names.length > 1;
}
addEventListener("load", () => {
  for (const element of document.querySelectorAll("table.page-table")) enhance(element);
  if ([offer("model"), offer("dataset")].some(Boolean)) byId("filters").hidden = false;
  drawAll();
});
