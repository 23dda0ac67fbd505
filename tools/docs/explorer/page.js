"use strict";
// Draws the formats that the address names from the data in the page.  Loads nothing, rounds nothing.
(() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const byId = (id) => document.getElementById(id);
  const formats = data.formats;
  const roles = ["a", "b"];
  const state = { names: ["e4m3fn", ""], zoom: 0, common: false, at: 0 };

  // ---- elements ------------------------------------------------------------------------------------------------------------
  const append = (node, children) => {
    for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) node.append(child);
    return node;
  };
  const attributes = (node, given) => {
    for (const [key, value] of Object.entries(given)) if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
    return node;
  };
  const html = (tag, given = {}, ...children) => append(attributes(document.createElement(tag), given), children);
  const svg = (tag, given = {}, ...children) => append(attributes(document.createElementNS("http://www.w3.org/2000/svg", tag), given), children);
  const fill = (id, ...children) => byId(id).replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  const text = (x, y, words, given = {}) => svg("text", { x: x.toFixed(1), y: y.toFixed(1), ...given }, words);
  const line = (x1, y1, x2, y2, kind) => svg("path", { class: kind, d: `M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}` });
  const widthOf = (words, size = 12) => String(words).length * size * 0.58;

  // ---- numbers -------------------------------------------------------------------------------------------------------------
  // NpE is N x 2^E, as the golden tables have it: both and their product are exact in a double.
  const number = (word) => {
    if (word === "nan") return NaN;
    if (word.endsWith("inf")) return word[0] === "-" ? -Infinity : Infinity;
    const [n, e] = word.split("p");
    if (e === undefined) return word === "-0" ? -0 : 0;
    return Number(e) < -1000 ? Number(n) * 2 ** -1000 * 2 ** (Number(e) + 1000) : Number(n) * 2 ** Number(e);
  };
  const minus = (words) => String(words).replace(/-/g, "\u2212");
  const superscript = (n) => String(n).replace(/./g, (c) => (c === "-" ? "\u207b" : "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[Number(c)]));
  const power = (e) => "2" + superscript(e);
  const exact = (word) => {
    if (word === "nan") return "NaN";
    if (word.endsWith("inf")) return minus(word).replace("inf", "\u221e");
    const [n, e] = word.split("p");
    if (e === undefined) return minus(word);
    if (n === "1" || n === "-1") return minus(n.slice(0, -1)) + power(Number(e));
    return `${minus(n)}\u00b7${power(Number(e))}`;
  };
  /** A line of the program with the signs of print: 7*2^-9 is 7·2⁻⁹. */
  const printed = (words) => words.replace(/(\d)\*2\^/g, "$1\u00b72^").replace(/2\^(-?\d+)/g, (_, e) => power(e)).replace(/(?<![\w)])-(?=[\d\u221e])|(?<=\de)-/g, "\u2212").replace(/>= /g, "\u2265 ");
  /** The same with superscripts as elements, which are easier to read than small letters; a long text may break after commas. */
  const marked = (words) => words.split(/([\u207b\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+)/).map((part, k) =>
    k % 2 ? html("sup", {}, part.replace(/./g, (c) => (c === "\u207b" ? "\u2212" : "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079".indexOf(c)))) : part.split(/(?<=[,@)](?! ))/).flatMap((piece) => [html("wbr"), piece]).slice(1));
  const decimal = (value, digits = 6) => {
    if (Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value < 0 ? "\u2212\u221e" : "\u221e";
    if (Object.is(value, -0)) return "\u22120";
    const rounded = Number(value.toPrecision(digits));
    return minus((Number.isFinite(rounded) ? rounded : value).toString().replace("e+", "e"));  // the largest double would become infinite
  };
  /** What fits into a narrow cell: the decimal if that is short, N x 2^E if that is, else some digits. */
  const brief = (word) => {
    const value = number(word), plain = Math.abs(value) >= 1e21 ? "" : minus(String(value));
    if (!Number.isFinite(value)) return exact(word);
    if (value === 0) return minus(word);
    if (plain && plain.length <= 5 && !plain.includes("e")) return plain;
    return exact(word).length <= 8 ? exact(word) : decimal(value, 4);
  };
  const hex = (code, bits) => "0x" + code.toString(16).padStart(Math.ceil(bits / 4), "0");
  const binary = (code, f) => {
    const digits = code.toString(2).padStart(f.bits, "0");
    if (!f.layout) return digits;
    const [s, e] = f.layout;
    return [digits.slice(0, s), digits.slice(s, s + e), digits.slice(s + e)].filter(Boolean).join(" ");
  };
  const kindNames = { z: "zero", s: "subnormal", n: "normal", i: "infinity", x: "NaN" };

  // ---- formats -------------------------------------------------------------------------------------------------------------
  const cache = new Map();
  /** A format with its codes as objects; of a quantizer its elements. */
  const element = (record) => {
    const f = formats[record.element || record.name];
    if (!cache.has(f.name)) {
      const words = (f.values || f.sampled).split(" ");
      const codes = words.map((word, code) => {
        const value = number(word);
        const kind = f.kinds ? (Number.isNaN(value) ? "x" : f.kinds[code]) : f.normal && value < number(f.normal) ? "s" : "n";
        return { code, word, value, kind };
      });
      const finite = codes.filter((c) => Number.isFinite(c.value)).sort((x, y) => x.value - y.value || (Object.is(x.value, -0) ? -1 : 1));
      // Of a wide format the positive values are sampled, and the negative ones are as many.
      const mirrored = f.values || !f.signed ? finite : [...finite.map((c) => ({ ...c, value: -c.value, word: "-" + c.word })).reverse(), ...finite];
      cache.set(f.name, { ...f, codes, finite: mirrored, magnitudes: finite.filter((c) => c.value > 0), top: number(f.max), low: number(f.least) });
    }
    return cache.get(f.name);
  };
  const chosen = () => state.names.map((name, k) => ({ record: formats[name], role: roles[k] })).filter((c) => c.record);
  /** A quantizer's lines and codes are those of its elements. */
  const nameOn = (c) => (c.record.quantizer ? `${c.record.name}: ${c.record.element}` : c.record.name);
  const label = (c) => [html("span", { class: `swatch ${c.role} ${c.role}-ink` }), html("span", { class: "mono" }, c.record.name)];

  /** A list of codes as ranges: 0x7d-0x7f. */
  const ranges = (codes, bits) => {
    const parts = [];
    for (const code of codes) {
      const last = parts[parts.length - 1];
      if (last && last[1] === code - 1) last[1] = code;
      else parts.push([code, code]);
    }
    return parts.map(([from, to]) => hex(from, bits) + (to > from ? (to === from + 1 ? ", " : "\u2013") + hex(to, bits) : "")).join(", ");
  };
  const fact = (record, key) => (record.facts.find((row) => row[0] === key) || [])[1];
  const specials = (f) => {
    if (!f.values) {
      const said = [["infinity", "\u221e"], ["NaN", "NaN"], ["negative zero", "\u22120"]].map(([key, name]) => [name, fact(f, key)]).filter((row) => row[1]);
      return said.map(([name, what]) => `${name}: ${what.replace(/^code /, "")}`);
    }
    const where = (test) => ranges(f.codes.filter(test).map((c) => c.code), f.bits);
    const infinities = where((c) => c.kind === "i"), nans = where((c) => c.kind === "x"), zeros = where((c) => Object.is(c.value, -0));
    const zero = f.codes.some((c) => c.kind === "z");
    return [infinities ? `\u00b1\u221e: ${infinities}` : "no \u221e", nans ? `NaN: ${nans}` : "no NaN", zero ? (zeros ? `\u22120: ${zeros}` : "one zero") : "no zero"];
  };

  // ---- axes ----------------------------------------------------------------------------------------------------------------
  const niceSteps = (low, high, count) => {
    const rough = high / count - low / count, base = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((k) => k * base).find((s) => s >= rough * 0.999);
    const ticks = [];
    for (let k = Math.ceil(low / step - 1e-9); k <= high / step + 1e-9; ++k) ticks.push(Number((k * step).toPrecision(12)));
    return ticks;
  };
  const powerSteps = (low, high, count) => {
    const step = [1, 2, 4, 8, 16, 32, 64, 128, 256].find((s) => (high - low) / s <= count) || 512;
    const ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high; ++k) ticks.push(k * step);
    return ticks;
  };
  const scale = (low, high, from, to) => {
    const map = (v) => from + ((v / 2 - low / 2) / (high / 2 - low / 2)) * (to - from);  // halves: the range of float64 is none of its values
    map.back = (p) => low + ((p - from) / (to - from)) * (high - low);
    return map;
  };
  const widthFor = (id) => Math.max(320, Math.round(byId(id).clientWidth || 1130));
  const canvas = (width, height, title, given = {}) =>
    svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title, ...given });

  // ---- facts ---------------------------------------------------------------------------------------------------------------
  const layoutOf = (f) => {
    const fields = f.layout ? [["s", f.layout[0]], ["e", f.layout[1]], ["m", f.layout[2]]] : [["v", f.bits]];
    const boxes = fields.flatMap(([kind, count]) => Array.from({ length: count }, () => html("i", { class: kind }, f.layout ? kind : "")));
    const said = f.layout ? `${f.layout[0]} sign, ${f.layout[1]} exponent and ${f.layout[2]} trailing significand bits` : `${f.bits} bits`;
    return html("span", { class: "layout" + (f.bits > 32 ? " hair" : f.bits > 16 ? " thin" : ""), role: "img", "aria-label": said }, boxes);
  };
  const drawFacts = () => {
    const columns = chosen();
    const rows = new Map();
    for (const [k, c] of columns.entries()) {
      const best = c.record.sqnr && [["best SQNR", `${c.record.sqnr[c.record.best].toFixed(1)} dB, at \u03c3 = ${sigmaText(sigmaAt(c.record.best))}`]];
      const f = element(c.record);
      const all = [["layout", layoutOf(f)], ["kind", f.kind], ...c.record.facts.map(([key, value]) => [key, value]), ["special values", specials(f).join(" \u00b7 ")], ...(best || [])];
      for (const [key, value] of all) {
        if (!rows.has(key)) rows.set(key, []);
        rows.get(key)[k] = value;
      }
    }
    // "special values" says the others' part.
    const order = ["layout", "kind", "bits", "bits per element", "bias", "largest", "least", "smallest normal", "smallest subnormal", "smallest above zero", "dynamic range", "finite values",
      "special values", "overflow (rne)", "best SQNR", "float32 holds it", "every choice", "format from", "quantizer from"];
    const body = order.filter((key) => rows.has(key)).map((key) => [key, rows.get(key)]).map(([key, values]) =>
      html("tr", {}, html("th", { scope: "row" }, key), columns.map((_, k) => html("td", {}, values[k] instanceof Node ? values[k] : marked(printed(values[k] ?? "\u2013"))))));
    fill("facts", html("table", { class: "facts" },
      html("colgroup", {}, html("col"), columns.map(() => html("col"))),
      html("thead", {}, html("tr", {}, html("th"), columns.map((c) => html("th", { scope: "col" }, label(c))))),
      html("tbody", {}, body)));
  };

  // ---- quantizers ----------------------------------------------------------------------------------------------------------
  const drawBlocks = () => {
    const quantizers = chosen().filter((c) => c.record.quantizer);
    byId("blocks").hidden = quantizers.length === 0;
    fill("blocks-body", quantizers.map((c) => {
      const f = element(c.record), groups = c.record.groups;
      const words = groups.map((g, k) => [
        html("li", {}, `${k === 0 ? "First level: " : "Second level: "}${g.shared} share${/elements/.test(g.shared) && !/^a /.test(g.shared) ? "" : "s"} a scale, stored as ${g.stored}. Rule `,
          html("code", {}, g.rule), g.means ? `: ${g.means.replace(/`/g, "")}` : "", ".")]);
      return html("div", {},
        html("h3", {}, label(c)),
        html("ul", { class: "note" }, html("li", {}, `Each element is a code of ${f.name} (${f.bits} bits) and stands for its value times ${groups.length > 1 ? "both scales" : "the scale"}; with the scales that is ${c.record.bits_per_element} bits per element.`), words),
        html("div", { class: "chart" }, drawExample(c, f)),
        html("p", { class: "small" }, `The first ${c.record.example.x.length} of ${data.sample} Gaussian numbers with \u03c3 = 1. Open circles: x; dots: what remains of it, its code below; the rungs are what the format offers there. `
          + `First scale: ${c.record.example.scales.map(minus).join(", second level: ")}.`));
    }));
  };
  const drawExample = (c, f) => {
    const { x, q, codes, step } = c.record.example, width = widthFor("linear"), height = 250, left = 46, right = 12, top = 12, bottom = 46;
    const most = Math.max(...x.map(Math.abs), ...q.map(Math.abs)) * 1.08;
    const at = scale(-0.5, x.length - 0.5, left, width - right), up = scale(-most, most, height - bottom, top);
    const chart = canvas(width, height, `${c.record.name}: the first elements of a sample and what they become`);
    for (const tick of niceSteps(-most, most, 5)) append(chart, [line(left, up(tick), width - right, up(tick), "grid"), text(left - 8, up(tick) + 4, minus(tick), { "text-anchor": "end" })]);
    append(chart, [text(14, (top + height - bottom) / 2, "value", { "text-anchor": "middle", transform: `rotate(-90 14 ${(top + height - bottom) / 2})` })]);
    const half = (at(1) - at(0)) * 0.36;
    const rungs = x.flatMap((_, j) => {
      let last = Infinity;  // rungs nearer than 2.5 pixels would be one block: some of them stand for all
      return f.finite.map((v) => up(v.value * step[j])).filter((y) => y >= top && y <= height - bottom && last - y > 2.5 && ((last = y), true)).map((y) => `M${(at(j) - half).toFixed(1)} ${y.toFixed(1)}h${(2 * half).toFixed(1)}`);
    });
    append(chart, [svg("path", { class: "rung", d: rungs.join("") })]);
    for (let j = c.record.group || x.length; c.record.group && j < x.length; j += c.record.group) append(chart, [line(at(j - 0.5), top, at(j - 0.5), height - bottom + 22, "border")]);
    x.forEach((value, j) => append(chart, [
      svg("circle", { class: "hollow", cx: at(j).toFixed(1), cy: up(value).toFixed(1), r: 4.5 }),
      svg("circle", { class: `${c.role} dot`, cx: at(j).toFixed(1), cy: up(q[j]).toFixed(1), r: 3.2 }),
      at(1) - at(0) > 22 && text(at(j), height - bottom + 17, codes[j].toString(16).padStart(Math.ceil(f.bits / 4), "0"), { class: "mono", "text-anchor": "middle" }),
    ]));
    append(chart, [text((left + width - right) / 2, height - 6, "element, with its code in hexadecimal", { "text-anchor": "middle" })]);
    return chart;
  };

  // ---- number lines --------------------------------------------------------------------------------------------------------
  const picked = {};  // role -> index into element.finite
  const describe = (f, c, k) => {
    const next = f.finite[k + 1], gap = next ? next.value - c.value : null;
    return [html("b", {}, f.name), " ", f.values ? [html("b", {}, hex(c.code, f.bits)), ` = ${binary(c.code, f)}, `] : "", html("b", {}, decimal(c.value, 12)),
      c.value !== 0 ? ` = ${exact(c.word)}` : "", `, ${kindNames[c.kind]}`, gap ? `; to the next value ${decimal(gap, 4)}` : "", f.values ? "" : " (some of the values are drawn)"];
  };
  const drawLinear = () => {
    const columns = chosen(), width = widthFor("linear"), left = 24, right = 24, rowHeight = 112;
    const chart = canvas(width, columns.length * rowHeight, "Linear number line", { tabindex: 0, "aria-describedby": "linear-readout" });
    const widest = Math.max(...columns.map((c) => element(c.record).top));
    const rows = columns.map((c, row) => {
      const f = element(c.record), reach = (state.common ? widest : f.top) / 4 ** state.zoom;
      const x = scale(f.signed ? -reach : 0, reach, left, width - right), base = row * rowHeight + 74, high = base - 24;
      append(chart, [text(left - 12, row * rowHeight + 14, nameOn(c), { class: "name" }), text(left - 12 + widthOf(nameOn(c), 13.8) + 12, row * rowHeight + 14, specials(f).join("  \u00b7  "))]);
      const seen = f.finite.map((v, k) => ({ ...v, k })).filter((v) => Math.abs(v.value) <= reach * 1.0001 && (f.signed || v.value >= 0));
      for (const kind of ["s", "n"]) {
        const strokes = seen.filter((v) => (v.kind === "s") === (kind === "s")).map((v) => `M${x(v.value).toFixed(1)} ${base}V${v.value === 0 ? high - 5 : high}`);
        append(chart, [svg("path", { class: `tick ${c.role}${kind === "s" ? " sub" : ""}`, d: [...new Set(strokes)].join("") })]);
      }
      append(chart, [line(left - 12, base, width - right + 12, base, "axis")]);
      // Few values: each has its number and its code, as far as there is room; zero and the large ones first.
      const few = f.values && seen.length <= 64, used = [];
      const room = (place, need) => used.every(([p, n]) => Math.abs(p - place) >= (n + need) / 2 + 5) && used.push([place, need]);
      if (few)
        for (const v of [...seen].sort((p, q) => (q.value === 0) - (p.value === 0) || Math.abs(q.value) - Math.abs(p.value) || p.code - q.code)) {
          const words = brief(v.word), code = v.code.toString(16).padStart(Math.ceil(f.bits / 4), "0");
          if (v.value === 0 && Object.is(v.value, -0)) continue;
          if (!room(x(v.value), Math.max(widthOf(words, 12), widthOf(code, 12)))) continue;
          append(chart, [text(x(v.value), high - 9, words, { class: "ink", "text-anchor": "middle" }), text(x(v.value), base + 16, code, { class: "mono", "text-anchor": "middle" })]);
        }
      else
        for (const tick of niceSteps(f.signed ? -reach : 0, reach, width / 110)) append(chart, [line(x(tick), base, x(tick), base + 5, "axis"), text(x(tick), base + 18, decimal(tick), { "text-anchor": "middle" })]);
      const now = picked[c.role] !== undefined && f.finite[picked[c.role]];
      if (now && Math.abs(now.value) <= reach * 1.0001) append(chart, [line(x(now.value), base + 3, x(now.value), high - 6, "now")]);
      return { c, f, x, seen, top: row * rowHeight, bottom: (row + 1) * rowHeight };
    });
    const choose = (row, k) => {
      for (const role of roles) delete picked[role];
      picked[row.c.role] = k;
      drawLinear();
      fill("linear-readout", describe(row.f, row.f.finite[k], k));
    };
    const place = (event) => {
      const box = chart.getBoundingClientRect(), px = ((event.clientX - box.left) / box.width) * width, py = ((event.clientY - box.top) / box.height) * columns.length * rowHeight;
      const row = rows.find((r) => py >= r.top && py < r.bottom);
      if (!row || row.seen.length === 0) return;
      const nearest = row.seen.reduce((p, q) => (Math.abs(row.x(q.value) - px) < Math.abs(row.x(p.value) - px) ? q : p));
      if (picked[row.c.role] !== nearest.k) choose(row, nearest.k);
    };
    chart.addEventListener("pointermove", place);
    chart.addEventListener("pointerdown", place);
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], turn = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step && !turn && !["Home", "End"].includes(event.key)) return;
      event.preventDefault();
      const at = Math.max(0, rows.findIndex((r) => picked[r.c.role] !== undefined));
      const row = rows[turn ? (at + turn + rows.length) % rows.length : at], last = row.f.finite.length - 1;
      const from = picked[row.c.role] ?? row.f.finite.findIndex((v) => v.value >= 0);
      const to = event.key === "Home" ? 0 : event.key === "End" ? last : Math.min(last, Math.max(0, from + (step || 0)));
      choose(row, to);
      byId("linear").firstChild.focus();
    });
    fill("linear", chart);
    const button = (words, title, pressed, act) => {
      const node = html("button", { type: "button", title, "aria-pressed": pressed }, words);
      node.addEventListener("click", () => { act(); drawLinear(); });
      return node;
    };
    const zoom = html("span", { class: "mono" }, `\u00d7${4 ** state.zoom}`);
    fill("linear-tools", html("span", { class: "label" }, "Zoom around zero"),
      button("\u2212", "show more", null, () => (state.zoom = Math.max(0, state.zoom - 1))), zoom, button("+", "show a quarter of this", null, () => (state.zoom = Math.min(8, state.zoom + 1))),
      columns.length > 1 ? [html("span", { class: "label" }, "Axis"), button("each its own range", "each format from end to end", String(!state.common), () => (state.common = false)), button("the same for both", "one axis", String(state.common), () => (state.common = true))] : null);
    if (roles.every((role) => picked[role] === undefined)) fill("linear-readout", "Point at a value, or use the arrow keys.");
  };

  const drawLogarithmic = () => {
    const columns = chosen(), width = widthFor("logarithmic"), left = 24, right = 24, rowHeight = 76, height = columns.length * rowHeight + 40;
    const chart = canvas(width, height, "Logarithmic number line");
    const all = columns.map((c) => element(c.record));
    const low = Math.floor(Math.log2(Math.min(...all.map((f) => f.low)))) - 0.5, high = Math.ceil(Math.log2(Math.max(...all.map((f) => f.top)))) + 0.5;
    const x = scale(low, high, left, width - right), floor = columns.length * rowHeight;
    for (const k of powerSteps(low, high, width / 62)) append(chart, [line(x(k), 4, x(k), floor + 5, "grid"), text(x(k), floor + 19, power(k), { "text-anchor": "middle" })]);
    append(chart, [line(left - 12, floor, width - right + 12, floor, "axis"), text((left + width - right) / 2, floor + 37, "magnitude of the value", { "text-anchor": "middle" })]);
    columns.forEach((c, row) => {
      const f = all[row], y = row * rowHeight + 24, stop = y + 22;
      for (const kind of ["s", "n"]) {
        const strokes = f.magnitudes.filter((v) => (v.kind === "s") === (kind === "s")).map((v) => `M${x(Math.log2(v.value)).toFixed(1)} ${stop}V${y}`);
        append(chart, [svg("path", { class: `tick ${c.role}${kind === "s" ? " sub" : ""}`, d: [...new Set(strokes)].join("") })]);
      }
      const from = x(Math.log2(f.low)), to = x(Math.log2(f.top)), ends = [`smallest ${brief(f.least)}`, `largest ${brief(f.max)}`];
      const halo = { class: "ink", "paint-order": "stroke", stroke: "var(--paper)", "stroke-width": 4 };
      if (to - from > widthOf(ends.join(""), 12) + 24) append(chart, [text(from, stop + 15, ends[0], { ...halo, "text-anchor": "start" }), text(to, stop + 15, ends[1], { ...halo, "text-anchor": "end" })]);
      else {
        const words = ends.join(", "), half = widthOf(words, 12) / 2;
        append(chart, [text(Math.min(width - right - half, Math.max(left + half, (from + to) / 2)), stop + 15, words, { ...halo, "text-anchor": "middle" })]);
      }
      append(chart, [text(from, y - 7, nameOn(c), { ...halo, class: "name", "text-anchor": from > width * 0.8 ? "end" : "start" })]);
      if (f.normal && number(f.normal) > f.low) {
        const at = x(Math.log2(number(f.normal))), words = `\u2193 smallest normal ${exact(f.normal)}`;
        if (at - from > widthOf(nameOn(c), 14) + 12 && at + widthOf(words) < width) append(chart, [text(at - 3.5, y - 7, words, halo)]);
        else if (at + widthOf(nameOn(c), 14) + widthOf(words) < width) append(chart, [text(Math.max(at, from + widthOf(nameOn(c), 14) + 14), y - 7, `smallest normal ${exact(f.normal)}`, halo)]);
      }
    });
    fill("logarithmic", chart);
  };

  // ---- SQNR ----------------------------------------------------------------------------------------------------------------
  const [firstSigma, lastSigma, sigmaCount] = data.sigma;
  const sigmaAt = (k) => firstSigma + (k * (lastSigma - firstSigma)) / (sigmaCount - 1);
  const sigmaText = (log2) => (Number.isInteger(log2) ? power(log2) : decimal(2 ** log2, 3));
  let cursor = null;
  const drawSqnr = () => {
    const columns = chosen().filter((c) => c.record.sqnr), width = widthFor("sqnr"), height = 340, left = 52, right = 16, top = 10, bottom = 48;
    fill("sqnr-legend", chosen().map((c) => html("span", { class: `${c.role}-ink` }, label(c), " ", html("small", {}, c.record.sqnr ? `at most ${minus(c.record.sqnr[c.record.best].toFixed(1))} dB, at \u03c3 = ${sigmaText(sigmaAt(c.record.best))}` : "has no curve: rounding does not change the sample"))));
    if (!columns.length) return fill("sqnr"), fill("sqnr-readout");
    // As far as any curve is above 1 dB and moves, and a little more.
    const inside = Array.from({ length: sigmaCount }, (_, k) => k).filter((k) => columns.some((c) => c.record.sqnr[k] > 1));
    const low = Math.max(firstSigma, sigmaAt(inside[0] ?? 0) - 2), high = Math.min(lastSigma, sigmaAt(inside[inside.length - 1] ?? sigmaCount - 1) + 2);
    const most = Math.max(10, ...columns.map((c) => c.record.sqnr[c.record.best])) * 1.06;
    const x = scale(low, high, left, width - right), y = scale(0, most, height - bottom, top);
    const chart = canvas(width, height, "SQNR against sigma", { tabindex: 0, "aria-describedby": "sqnr-readout" });
    append(chart, [svg("clipPath", { id: "sqnr-clip" }, svg("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom }))]);
    for (const k of powerSteps(low, high, width / 62)) append(chart, [line(x(k), top, x(k), height - bottom + 5, "grid"), text(x(k), height - bottom + 19, power(k), { "text-anchor": "middle" })]);
    for (const v of niceSteps(0, most, 6)) append(chart, [line(left - 5, y(v), width - right, y(v), "grid"), text(left - 10, y(v) + 4, v, { "text-anchor": "end" })]);
    append(chart, [line(left, y(0), width - right, y(0), "axis"), text((left + width - right) / 2, height - 6, "\u03c3, standard deviation of x", { "text-anchor": "middle" }),
      text(14, (top + height - bottom) / 2, "SQNR, dB", { "text-anchor": "middle", transform: `rotate(-90 14 ${(top + height - bottom) / 2})` })]);
    for (const c of [...columns].reverse()) {
      const points = c.record.sqnr.map((v, k) => `${x(sigmaAt(k)).toFixed(1)} ${y(v).toFixed(1)}`);
      const best = c.record.best;
      append(chart, [svg("path", { class: `line ${c.role}`, d: "M" + points.join("L"), "clip-path": "url(#sqnr-clip)" }),
        svg("circle", { class: `${c.role} dot`, cx: x(sigmaAt(best)).toFixed(1), cy: y(c.record.sqnr[best]).toFixed(1), r: sigmaAt(best) >= low && sigmaAt(best) <= high ? 4 : 0 })]);
    }
    const mark = svg("path", { class: "cursor" });
    append(chart, [mark]);
    const show = (k) => {
      cursor = Math.min(sigmaCount - 1, Math.max(0, Math.min(Math.floor((high - firstSigma) / (lastSigma - firstSigma) * (sigmaCount - 1)), Math.max(Math.ceil((low - firstSigma) / (lastSigma - firstSigma) * (sigmaCount - 1)), k))));
      mark.setAttribute("d", `M${x(sigmaAt(cursor)).toFixed(1)} ${top}V${height - bottom}`);
      fill("sqnr-readout", "\u03c3 = ", html("b", {}, sigmaText(sigmaAt(cursor))), ...columns.flatMap((c) => [" \u00b7 ", html("span", { class: "mono" }, c.record.name), " ", html("b", {}, `${minus(c.record.sqnr[cursor].toFixed(2))} dB`)]));
    };
    const place = (event) => {
      const box = chart.getBoundingClientRect();
      show(Math.round(((x.back(((event.clientX - box.left) / box.width) * width) - firstSigma) / (lastSigma - firstSigma)) * (sigmaCount - 1)));
    };
    chart.addEventListener("pointermove", place);
    chart.addEventListener("pointerdown", place);
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: 4, PageDown: -4 }[event.key];
      if (!step) return;
      event.preventDefault();
      show((cursor ?? columns[0].record.best) + step);
    });
    fill("sqnr", chart);
    if (cursor !== null) show(cursor);
    else fill("sqnr-readout", "Point at the curves, or use the arrow keys.");
  };

  // ---- densities -----------------------------------------------------------------------------------------------------------
  const drawDensity = (id, columns, kind, limitKey, axisTitle, yTitle, factor) => {
    const width = widthFor(id), height = 270, right = 14, top = 10, bottom = 46;
    const chart = canvas(width, height, `${axisTitle}: density`);
    const records = columns.map((c) => ({ c, d: c.record.at[state.at] }));
    const reach = Math.max(...records.map((r) => r.d[limitKey])) * factor, most = Math.max(...records.flatMap((r) => r.d[kind])) / factor * 1.06;
    const left = 36 + Math.max(...niceSteps(0, most, 5).map((v) => widthOf(v)));
    const x = scale(-reach, reach, left, width - right), y = scale(0, most, height - bottom, top);
    for (const v of niceSteps(-reach, reach, width / 90)) append(chart, [line(x(v), top, x(v), height - bottom + 5, "grid"), text(x(v), height - bottom + 19, minus(v), { "text-anchor": "middle" })]);
    for (const v of niceSteps(0, most, 5)) append(chart, [line(left - 5, y(v), width - right, y(v), "grid"), text(left - 9, y(v) + 4, v, { "text-anchor": "end" })]);
    for (const { c, d } of [...records].reverse()) {
      const limit = d[limitKey] * factor, bins = d[kind].length, edge = (k) => x(-limit + (2 * limit * k) / bins).toFixed(1);
      const steps = d[kind].map((v, k) => `H${edge(k)}V${y(v / factor).toFixed(1)}H${edge(k + 1)}`).join("");
      append(chart, [svg("path", { class: `area ${c.role}`, d: `M${edge(0)} ${y(0)}${steps}V${y(0)}Z` }), svg("path", { class: `line ${c.role}`, style: "stroke-width:1.5", d: `M${edge(0)} ${y(0)}${steps}V${y(0)}` })]);
    }
    append(chart, [line(left, y(0), width - right, y(0), "axis"), text((left + width - right) / 2, height - 6, axisTitle, { "text-anchor": "middle" }),
      text(14, (top + height - bottom) / 2, yTitle, { "text-anchor": "middle", transform: `rotate(-90 14 ${(top + height - bottom) / 2})` })]);
    fill(id, chart);
  };
  const percent = (share) => (share <= 0 ? "0 %" : share < 1e-6 ? "less than 0.0001 %" : `${Number((share * 100).toPrecision(2))} %`);
  const drawErrors = () => {
    const columns = chosen().filter((c) => c.record.at);
    fill("error-lead", state.at === 0 ? "x is Gaussian, with the \u03c3 at which the format's SQNR is best: " : "x is Gaussian with \u03c3 = 1. ",
      state.at === 0 ? columns.map((c, k) => [k ? ", " : "", html("span", { class: `mono ${c.role}-ink` }, c.record.name), ` ${sigmaText(sigmaAt(c.record.best))}`]).flat() : "", state.at === 0 ? "." : "");
    const button = (words, at) => {
      const node = html("button", { type: "button", "aria-pressed": String(state.at === at) }, words);
      node.addEventListener("click", () => { state.at = at; drawErrors(); });
      return node;
    };
    fill("error-tools", button("\u03c3 of the best SQNR", 0), button("\u03c3 = 1", 1));
    if (!columns.length) return fill("absolute"), fill("relative"), fill("error-outside");
    drawDensity("absolute", columns, "a", "al", "(q(x) \u2212 x) / \u03c3", "density", 1);
    drawDensity("relative", columns, "r", "rl", "(q(x) \u2212 x) / x, %", "density per %", 100);
    fill("error-outside", columns.flatMap((c) => {
      const d = c.record.at[state.at], share = d.r.reduce((sum, v) => sum + v, 0) * (2 * d.rl / d.r.length);
      return [html("span", { class: "mono" }, c.record.name), `: ${percent(d.zero)} of x becomes 0 (relative error \u2212100 %), ${percent(Math.max(0, 1 - share - d.zero))} has another relative error beyond the axis. `];
    }));
  };

  // ---- codes ---------------------------------------------------------------------------------------------------------------
  const drawCodes = () => {
    fill("codes", chosen().map((c) => {
      const f = element(c.record);
      if (!f.values) return html("div", {}, html("h3", {}, label(c)), html("p", { class: "small" }, `${f.bits} bits: too many codes for a table. `, html("code", {}, `binade explain ${f.name} VALUE`), " says which code a number gets, and what lies beside it."));
      const columns = Math.min(16, f.codes.length), wide = f.bits > 4, readout = html("p", { class: "readout" });
      const cells = f.codes.map((v) => html("td", { class: v.kind, tabindex: v.code === 0 ? 0 : -1, "data-code": v.code, title: `${hex(v.code, f.bits)} = ${binary(v.code, f)}: ${decimal(v.value, 17)}` }, marked(brief(v.word))));
      const rows = [];
      for (let first = 0; first < cells.length; first += columns) rows.push(html("tr", {}, wide ? html("th", { scope: "row" }, hex(first / 16, 4).slice(2) + "_") : null, cells.slice(first, first + columns)));
      const head = html("tr", {}, wide ? html("th") : null, Array.from({ length: columns }, (_, k) => html("th", { scope: "col" }, (wide ? "_" : "") + k.toString(16))));
      const table = html("table", { class: "codes" + (f.codes.length >= 16 ? " full" : ""), "aria-label": `${f.name}: the value of every code; rows have the high digit of the code, columns the low one` }, html("thead", {}, head), html("tbody", {}, rows));
      const show = (code) => {
        const v = f.codes[code];
        readout.replaceChildren(html("b", {}, hex(code, f.bits)), ` = ${binary(code, f)}: `, html("b", {}, decimal(v.value, 17)), Number.isFinite(v.value) && v.value !== 0 ? ` = ${exact(v.word)}` : "", `, ${kindNames[v.kind]}`);
      };
      table.addEventListener("pointerover", (event) => event.target.dataset.code && show(Number(event.target.dataset.code)));
      table.addEventListener("focusin", (event) => event.target.dataset.code && show(Number(event.target.dataset.code)));
      table.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
        const to = cells[Number(event.target.dataset.code) + step];
        if (!step || !to) return;
        event.preventDefault();
        event.target.tabIndex = -1;
        to.tabIndex = 0;
        to.focus();
      });
      const list = html("details", {}, html("summary", {}, `All ${f.codes.length} codes as a list`));
      list.addEventListener("toggle", () => {
        if (list.querySelector("table")) return;
        list.append(html("div", { class: "scroll" }, html("table", { class: "list" },
          html("thead", {}, html("tr", {}, ["code", "bits", "value", "exactly", ""].map((word) => html("th", { scope: "col" }, word)))),
          html("tbody", {}, f.codes.map((v) => html("tr", {}, html("td", {}, hex(v.code, f.bits)), html("td", {}, binary(v.code, f)), html("td", { class: "number" }, decimal(v.value, 17)), html("td", {}, Number.isFinite(v.value) ? marked(exact(v.word)) : ""), html("td", {}, kindNames[v.kind])))))));
      });
      return html("div", {}, html("h3", {}, label(c), c.record.quantizer ? html("span", { class: "small" }, ` \u2013 its elements, ${f.name}`) : null), html("div", { class: "scroll" }, table), readout, list);
    }));
  };

  // ---- the page ------------------------------------------------------------------------------------------------------------
  const how = [
    "Values, codes and facts are what `binade formats` and the Python package give. Values are exact: 7·2⁶ is 448.",
    "Formats of 8 bits or fewer: mean squared error and densities are exact integrals of a Gaussian over the interval that rounds to each value (nearest, ties to even; beyond the largest value: saturate).",
    `Wider formats: ${data.fine} quantiles of a Gaussian. Quantizers with scales: ${data.sample} quantiles in shuffled order, 128 × 128, scales along rows; another sample moves their curves by about 0.1 dB.`,
    "Unsigned formats see |x|. Wider formats saturate here whatever their default, so that the error is finite.",
    "Quantizers show the values of their elements; the error is that of element and scales together.",
  ];
  const presets = [["e4m3fn", "e5m2"], ["e2m1fn", "nf4"], ["mxfp4", "nvfp4"], ["e5m10", "e8m7"], ["posit8", "e4m3fn"], ["int8", "e4m3fn"], ["e2m3fn", "e3m2fn"], ["mxfp8_e4m3", "mxint8"]];
  const draw = () => { drawFacts(); drawBlocks(); drawLinear(); drawLogarithmic(); drawSqnr(); drawErrors(); drawCodes(); };
  const nameOf = (word) => {
    const name = decodeURIComponent(word || "").trim().toLowerCase();
    return formats[name] ? name : data.aliases[name] || "";
  };
  const fromAddress = () => {
    const [a, b] = location.hash.slice(1).split(",").map(nameOf);
    if (a) state.names = [a, b && b !== a ? b : ""];
    for (const role of roles) delete picked[role];
    state.zoom = 0;
    cursor = null;
    byId("choose-a").value = state.names[0];
    byId("choose-b").value = state.names[1];
    byId("swap").disabled = !state.names[1];
    document.title = `${state.names.filter(Boolean).join(" and ")} · format explorer · binade`;
    draw();
  };
  const go = (a, b) => { location.hash = b && b !== a ? `${a},${b}` : a; };
  const spoken = Object.fromEntries(Object.entries(data.aliases).map(([alias, name]) => [name, `${name} (${alias})`]));
  for (const id of ["choose-a", "choose-b"])
    append(byId(id), [id === "choose-b" ? html("option", { value: "" }, "(none)") : null, data.groups.map(([title, names]) => html("optgroup", { label: title }, names.map((name) => html("option", { value: name }, spoken[name] || name))))]);
  byId("choose-a").addEventListener("change", () => go(byId("choose-a").value, state.names[1]));
  byId("choose-b").addEventListener("change", () => go(state.names[0], byId("choose-b").value));
  byId("swap").addEventListener("click", () => go(state.names[1], state.names[0]));
  fill("presets", html("span", {}, "Compare"), presets.map(([a, b]) => html("a", { href: `#${a},${b}`, class: "mono" }, `${a} | ${b}`)));
  fill("how", how.map((words) => html("li", {}, words.replace(/`/g, ""))));
  addEventListener("hashchange", fromAddress);
  let pending = 0;
  addEventListener("resize", () => { clearTimeout(pending); pending = setTimeout(draw, 120); });
  fromAddress();
})();
