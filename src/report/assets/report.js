"use strict";
// Draws the charts of a report from the data in the page.  Loads nothing.
(() => {
  const data = JSON.parse(document.getElementById("study-data").textContent);
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.add("js");

  // ---- looks: one colour, marker and dash per recipe, everywhere -------------------------------------------------
  const colours = 8;
  const markers = [["circle", 0, 1], ["triangle", 0, 1.35], ["rect", 0, 1.05], ["rectRot", 0, 1.15], ["triangle", 180, 1.35], ["star", 0, 1.2], ["cross", 0, 1.2]];
  const dashes = [[], [7, 3], [2, 3]];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const look = (index) => {
    const slot = data.recipes[index].slot;
    const lap = slot === 0 ? 0 : Math.floor((slot - 1) / (colours - 1));
    const colour = slot === 0 ? 0 : 1 + (slot - 1) % (colours - 1);
    const [marker, turn, size] = markers[slot % markers.length];
    return { colour: css("--r" + colour), marker, turn, size, dash: dashes[lap % dashes.length] };
  };
  const hidden = new Set();
  const shown = (index) => !hidden.has(index);

  // ---- numbers as text -------------------------------------------------------------------------------------------
  const digits = (x, n = 3) => x.toFixed(n).replace("-", "\u2212");
  const signed = (x, n = 4) => (x > 0 ? "+" : "") + digits(x, n);
  const rate = (x) => x.toExponential().replace("e+0", "").replace("e+", "e");
  const plain4 = (value) => String(Number(value.toFixed(4))).replace("-", "\u2212");
  const percent = (x) => x === 0 ? "0 %" : x < 1e-6 ? x.toExponential(0).replace("-", "\u2212") + " %" : Number(x.toPrecision(2)) + " %";

  // ---- shared chart parts ----------------------------------------------------------------------------------------
  const charts = {};
  const draw = (id, config) => {
    if (charts[id]) charts[id].destroy();
    const canvas = byId(id);
    if (!canvas) return;
    charts[id] = new Chart(canvas, config);
  };
  const axis = (title, extra = {}) => ({
    title: { display: !!title, text: title, color: css("--muted"), font: { size: 13 } },
    grid: { color: css("--grid"), borderColor: css("--line"), tickColor: css("--line"), tickLength: 5 },
    ...extra,
    ticks: { color: css("--muted"), font: { size: 12 }, includeBounds: false, ...(extra.ticks || {}) },
  });
  const options = (x, y, label) => ({
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "nearest", intersect: false, axis: "xy" },
    layout: { padding: { top: 8, right: 12 } },
    scales: { x, y },
    plugins: {
      legend: { display: false },
      tooltip: {
        displayColors: false,
        backgroundColor: css("--ink"), titleColor: css("--paper"), bodyColor: css("--paper"),
        callbacks: { title: () => "", label },
        filter: (item) => !item.dataset.silent,
      },
    },
  });
  // Logarithmic ticks at round numbers, fewer where the axis spans decades: the default crowds them.
  const logAxis = (title, format, extra = {}) => axis(title, {
    type: "logarithmic",
    afterBuildTicks: (scale) => {
      const decades = Math.log10(scale.max / scale.min);
      const leads = decades > 3 ? [1] : decades > 1.2 ? [1, 2, 5] : decades > 0.5 ? [1, 2, 3, 4, 5, 6, 8] : null;
      if (!leads) {
        const step = Math.pow(10, Math.floor(Math.log10(scale.max - scale.min))) / (scale.max / scale.min > 2 ? 1 : 2);
        scale.ticks = [];
        for (let i = Math.ceil(scale.min / step); i * step <= scale.max; ++i) scale.ticks.push({ value: i * step });
        return;
      }
      scale.ticks = [];
      for (let e = Math.floor(Math.log10(scale.min)); e <= Math.ceil(Math.log10(scale.max)); ++e)
        leads.map((lead) => lead * Math.pow(10, e)).filter((v) => v >= scale.min && v <= scale.max).forEach((value) => scale.ticks.push({ value }));
    },
    ...extra,
    ticks: { autoSkip: false, callback: format },
  });

  // A line across the plot with a word on it.
  const landmark = (at, text) => ({
    id: "landmark" + text,
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea: area, scales } = chart;
      const y = scales.y.getPixelForValue(at);
      if (!(y >= area.top && y <= area.bottom)) return;
      ctx.save();
      ctx.strokeStyle = css("--muted");
      ctx.fillStyle = css("--muted");
      ctx.setLineDash([3, 4]);
      ctx.beginPath();
      ctx.moveTo(area.left, y);
      ctx.lineTo(area.right, y);
      ctx.stroke();
      ctx.font = "12px " + Chart.defaults.font.family;
      ctx.textAlign = "right";
      ctx.fillText(text, area.right - 4, y - 5);
      ctx.restore();
    },
  });

  // ---- loss while training ---------------------------------------------------------------------------------------
  const curveView = { series: "smoothed", rate: "best", scale: data.has_floor ? "log" : "linear" };
  const level = data.has_floor ? `loss above the floor (nat per ${data.unit})` : `loss (nat per ${data.unit})`;

  // Exponential mean, bias-corrected; starts anew after a gap, so that it never runs across a value that is missing.
  const smooth = (points, time) => {
    const keep = 1 - 1 / Math.max(1, time);
    let sum = 0, weight = 0;
    return points.map(({ x, y }) => {
      if (y === null) { sum = weight = 0; return { x, y }; }
      sum = keep * sum + (1 - keep) * y;
      weight = keep * weight + (1 - keep);
      return { x, y: sum / weight };
    });
  };
  // The same seed sees the same batches under every recipe: most noise cancels in the difference.
  const minusBaseline = (curve) => {
    const base = data.curves.find((c) => c.recipe === data.baseline && c.seed === curve.seed && c.width === curve.width &&
      (curveView.rate === "best" ? c.best : c.rate === curve.rate));
    return curve.y.map((y, i) => (y === null || !base || i >= base.y.length || base.y[i] === null ? null : y - base.y[i]));
  };
  const curvePoints = (curve) => {
    if (curveView.series === "validation") return curve.evaluations.map(([x, y]) => ({ x, y }));
    const values = curveView.series === "difference" ? minusBaseline(curve) : curve.y;
    const raw = values.map((y, i) => ({ x: (i + 0.5) * curve.width - 0.5, y }));
    return curveView.series === "raw" ? raw : smooth(raw, data.smoothing / curve.width);
  };
  const drawCurves = () => {
    const difference = curveView.series === "difference";
    const positive = curveView.scale === "log" && !difference;
    const wanted = data.curves.filter((c) => shown(c.recipe) && (curveView.rate === "best" ? c.best : c.rate === curveView.rate) &&
      !(difference && c.recipe === data.baseline));
    const seeds = [...new Set(wanted.map((c) => c.seed))].sort((a, b) => a - b);
    const datasets = wanted.map((c) => {
      const { colour, dash, marker, turn, size } = look(c.recipe);
      const points = curvePoints(c).map(({ x, y }) => ({ x, y: positive && y !== null && y <= 0 ? null : y }));
      const later = seeds.indexOf(c.seed) > 0;
      const last = points.reduce((found, p, i) => (p.y === null ? found : i), -1);
      const ends = points.map((p, i) => c.divergence && i === last);
      const dots = curveView.series === "validation";
      return {
        curve: c, data: points, borderColor: colour, backgroundColor: colour, borderDash: dash,
        borderWidth: later ? 1.1 : 1.9,
        pointStyle: points.map((p, i) => (ends[i] ? "crossRot" : marker)),
        pointRotation: turn, pointRadius: points.map((p, i) => (ends[i] ? 7 : dots ? 3 * size : 0)),
        pointBorderWidth: points.map((p, i) => (ends[i] ? 2.5 : 1)),
        pointHitRadius: 8, spanGaps: false, tension: 0,
      };
    });
    const values = datasets.flatMap((d) => d.data.map((p) => p.y)).filter((y) => y !== null);
    const low = Math.min(...values), high = Math.max(...values);
    const title = difference ? `loss minus that of ${data.recipes[data.baseline].label} (nat per ${data.unit})` : level;
    const y = positive ? logAxis(title, plain4, values.length ? { min: low * 0.94, max: high * 1.06 } : { min: 0.1, max: 1 })
      : axis(title, { type: "linear", ticks: { callback: plain4 } });
    const config = {
      type: "line",
      data: { datasets },
      options: options(axis("step", { type: "linear", min: 0 }), y, (item) => {
        const c = item.dataset.curve;
        return `${data.recipes[c.recipe].label}, learning rate ${rate(c.rate)}, seed ${c.seed}: ${digits(item.parsed.y)} at step ${Math.round(item.parsed.x)}` +
          (c.divergence ? ` (${c.divergence} at ${c.steps})` : "");
      }),
      plugins: difference ? [landmark(0, "")] : data.unigram === null ? [] : [landmark(data.unigram, "unigram entropy: no use of context")],
    };
    draw("curves", config);
  };

  // ---- loss against learning rate --------------------------------------------------------------------------------
  const rateView = { scale: "linear" };
  const drawRates = () => {
    const points = data.rates.filter((p) => shown(p.recipe));
    const values = points.filter((p) => p.y !== null).map((p) => p.y);
    const low = Math.min(...values), high = Math.max(...values);
    const finite = values.length > 0;
    const lost = points.some((p) => p.y === null);
    // Diverged trials have no loss: they stand on a line of their own above the largest one.
    const positive = rateView.scale === "log" && low > 0;
    const above = (share) => (!finite ? 1 + share : positive ? high * Math.pow(Math.max(high / low, 1.05), share) : high + share * Math.max(high - low, 0.02));
    const below = (share) => (!finite ? 0 : positive ? low / Math.pow(Math.max(high / low, 1.05), share) : low - share * Math.max(high - low, 0.02));
    const top = above(0.14);
    const dodge = (index) => Math.pow(10, 0.012 * (index - (data.recipes.length - 1) / 2) * Math.min(1, 8 / data.recipes.length));
    const datasets = data.recipes.flatMap((recipe, index) => {
      if (!shown(index)) return [];
      const { colour, marker, turn, size, dash } = look(index);
      const own = points.filter((p) => p.recipe === index);
      const means = data.learning_rates.map((lr) => {
        const mean = data.rate_means.find((m) => m.recipe === index && m.rate === lr);
        return { x: lr * dodge(index), y: mean ? mean.y : null };
      });
      return [
        { type: "line", silent: true, data: means, borderColor: colour, borderDash: dash, borderWidth: 1.8, pointRadius: 0, pointHitRadius: 0, spanGaps: false },
        { type: "line", showLine: false, trials: own, data: own.map((p) => ({ x: p.rate * dodge(index), y: p.y === null ? top : p.y })),
          borderColor: colour, backgroundColor: colour, pointStyle: own.map((p) => (p.y === null ? "crossRot" : marker)),
          pointRotation: turn, pointRadius: own.map((p) => (p.y === null ? 7 : 4 * size)), pointHoverRadius: 7, pointBorderWidth: own.map((p) => (p.y === null ? 2.5 : 1)) },
      ];
    });
    const rates = data.learning_rates;
    const x = axis("peak learning rate", {
      type: "logarithmic", min: rates[0] / 1.35, max: rates[rates.length - 1] * 1.35,
      afterBuildTicks: (scale) => { scale.ticks = rates.map((value) => ({ value })); },
      ticks: { autoSkip: false, callback: (value) => rate(value) },
    });
    const title = data.has_floor ? `validation loss above the floor (nat per ${data.unit})` : `validation loss (nat per ${data.unit})`;
    const bounds = { min: below(0.07), max: above(lost ? 0.24 : 0.07) };
    const label = (value) => (finite && value <= above(0.08) ? plain4(value) : "");
    const y = positive ? logAxis(title, label, bounds) : axis(title, { type: "linear", ...bounds, ticks: { callback: label } });
    draw("rates", {
      type: "line",
      data: { datasets },
      options: options(x, y, (item) => {
        const p = item.dataset.trials[item.dataIndex];
        return `${data.recipes[p.recipe].label}, learning rate ${rate(p.rate)}, seed ${p.seed}: ` +
          (p.y === null ? p.divergence : digits(p.y, 4) + (p.divergence ? ` (${p.divergence})` : ""));
      }),
      plugins: lost ? [landmark(top, "diverged")] : [],
    });
  };

  // ---- seeds: one row per recipe ---------------------------------------------------------------------------------
  // Draws, under the points, the mean as a tick and the interval as a bar with an arrow where it leaves the plot.
  const rowMarks = (rows) => ({
    id: "rowMarks",
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea: area, scales: { x, y } } = chart;
      ctx.save();
      ctx.beginPath();
      ctx.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
      ctx.clip();
      rows.forEach((row, position) => {
        if (!row) return;
        const { colour } = look(row.recipe);
        const at = y.getPixelForValue(position);
        ctx.strokeStyle = ctx.fillStyle = colour;
        if (row.low !== null) {
          ctx.globalAlpha = 0.35;
          ctx.lineWidth = 5;
          const left = Math.max(area.left, x.getPixelForValue(row.low)), right = Math.min(area.right, x.getPixelForValue(row.high));
          ctx.beginPath();
          ctx.moveTo(left, at);
          ctx.lineTo(right, at);
          ctx.stroke();
          ctx.globalAlpha = 1;
          const arrow = (tip, way) => { ctx.beginPath(); ctx.moveTo(tip, at); ctx.lineTo(tip - 9 * way, at - 6); ctx.lineTo(tip - 9 * way, at + 6); ctx.fill(); };
          if (x.getPixelForValue(row.low) < area.left) arrow(area.left, -1);
          if (x.getPixelForValue(row.high) > area.right) arrow(area.right, 1);
        }
        ctx.lineWidth = 2.5;
        ctx.beginPath();
        ctx.moveTo(x.getPixelForValue(row.mean), at - 10);
        ctx.lineTo(x.getPixelForValue(row.mean), at + 10);
        ctx.stroke();
      });
      ctx.restore();
    },
  });
  const zeroLine = {
    id: "zeroLine",
    beforeDatasetsDraw({ ctx, chartArea: area, scales: { x } }) {
      const at = x.getPixelForValue(0);
      ctx.save();
      ctx.strokeStyle = css("--muted");
      ctx.setLineDash([3, 4]);
      ctx.beginPath();
      ctx.moveTo(at, area.top);
      ctx.lineTo(at, area.bottom);
      ctx.stroke();
      ctx.restore();
    },
  };
  const drawRows = (id, rows, title, range, format, plugins, labels) => {
    const datasets = rows.map((row, position) => {
      if (!row) return { data: [] };
      const { colour, marker, turn, size } = look(row.recipe);
      const middle = (row.values.length - 1) / 2;
      return {
        row, backgroundColor: colour, pointStyle: marker, pointRotation: turn, pointRadius: 5 * size, pointHoverRadius: 7 * size,
        // A rim in the colour of the paper keeps points apart; the markers made of strokes have nothing but their rim.
        pointBorderWidth: 1, pointBorderColor: marker === "star" || marker === "cross" ? colour : css("--paper"),
        data: row.values.map((x, i) => ({ x, y: position + (row.values.length > 1 ? 0.24 * (i - middle) / middle : 0) })),
      };
    });
    const y = axis("", {
      type: "linear", min: -0.6, max: rows.length - 0.4, reverse: true,
      afterBuildTicks: (scale) => { scale.ticks = rows.map((_, value) => ({ value })); },
      ticks: { autoSkip: false, color: css("--ink"), callback: (value) => { const name = labels[value]; return name.length > 18 ? name.slice(0, 17) + "\u2026" : name; } },
    });
    y.grid.display = false;
    const x = axis(title, { type: "linear", ...range, ticks: { maxTicksLimit: 6, callback: (value) => plain4(value) } });
    byId(id).parentElement.style.height = 4.6 + 2.5 * Math.max(2, rows.length) + "rem";
    draw(id, {
      type: "scatter",
      data: { datasets },
      options: options(x, y, (item) => {
        const row = item.dataset.row;
        return `${data.recipes[row.recipe].label}, seed ${row.seeds[item.dataIndex]}: ${format(row.values[item.dataIndex])}`;
      }),
      plugins,
    });
  };
  const missing = (index) => `${data.recipes[index].label}`;
  const drawSeeds = () => {
    const visible = data.recipes.map((_, index) => index).filter(shown);
    const rows = visible.map((index) => data.seeds.find((row) => row.recipe === index));
    const values = rows.filter(Boolean).flatMap((row) => row.values);
    const span = values.length ? Math.max(...values) - Math.min(...values) : 0;
    const pad = Math.max(0.08 * span, 0.005);
    const range = values.length ? { min: Math.min(...values) - pad, max: Math.max(...values) + pad } : { min: 0, max: 1 };
    const what = data.has_floor ? "validation loss above the floor" : "validation loss";
    // The interval of a mean over few seeds would push the points together: it is in the table, the bar is left out.
    drawRows("seeds", rows.map((row) => row && { ...row, low: null, high: null }), `${what} (nat per ${data.unit})`, range, (x) => digits(x, 4),
      [rowMarks(rows.map((row) => row && { ...row, low: null, high: null }))], visible.map(missing));
  };
  const drawDifferences = () => {
    const visible = data.recipes.map((_, index) => index).filter((index) => shown(index) && index !== data.baseline);
    const rows = visible.map((index) => data.differences.find((row) => row.recipe === index));
    const values = rows.filter(Boolean).flatMap((row) => [...row.values, 0]);
    const reach = Math.max(0.001, ...values.map(Math.abs));
    // Intervals shape the plot up to twice the reach of the points and leave it with an arrow beyond.
    const ends = rows.filter((row) => row && row.low !== null).flatMap((row) => [row.low, row.high]);
    const limit = (x) => Math.max(-1.6 * reach, Math.min(1.6 * reach, x));
    const all = [...values, ...ends.map(limit)];
    const low = Math.min(...all), high = Math.max(...all), pad = 0.06 * Math.max(high - low, 0.001);
    drawRows("differences", rows, `difference (nat per ${data.unit}); left of 0 is better`, values.length ? { min: low - pad, max: high + pad } : { min: -1, max: 1 },
      (x) => signed(x), [zeroLine, rowMarks(rows)], visible.map(missing));
  };

  // ---- quantization over the steps -------------------------------------------------------------------------------
  const quantizationView = { operand: "all operands", scale: "log" };
  const drawQuantization = (id, measure, title) => {
    const positive = quantizationView.scale === "log";
    const datasets = data.quantization.filter((q) => shown(q.recipe) && q.series[quantizationView.operand]).map((q) => {
      const { colour, dash } = look(q.recipe);
      const values = q.series[quantizationView.operand][measure];
      return {
        recipe: q.recipe, rate: q.rate, borderColor: colour, backgroundColor: colour, borderDash: dash, borderWidth: 1.8, pointRadius: 0, pointHitRadius: 8,
        data: q.steps.map((x, i) => ({ x, y: values[i] === null || (positive && values[i] === 0) ? null : 100 * values[i] })),
      };
    });
    const some = datasets.some((d) => d.data.some((p) => p.y !== null));
    const y = positive ? logAxis(title, percent, some ? {} : { min: 0.001, max: 1 })
      : axis(title, { type: "linear", min: 0, ticks: { callback: (value) => plain4(value) + " %" } });
    draw(id, {
      type: "line",
      data: { datasets },
      options: options(axis("step", { type: "linear", min: 0 }), y,
        (item) => `${data.recipes[item.dataset.recipe].label}, learning rate ${rate(item.dataset.rate)}: ${percent(item.parsed.y)} at step ${Math.round(item.parsed.x)}`),
      plugins: some ? [] : [{
        id: "nothing",
        afterDraw({ ctx, chartArea: area }) {
          ctx.save();
          ctx.fillStyle = css("--muted");
          ctx.font = "13px " + Chart.defaults.font.family;
          ctx.textAlign = "center";
          ctx.fillText("none", (area.left + area.right) / 2, (area.top + area.bottom) / 2);
          ctx.restore();
        },
      }],
    });
  };
  const drawAllQuantization = () => {
    drawQuantization("saturated", "saturated", "share of nonzero inputs");
    drawQuantization("underflowed", "underflowed", "share of nonzero inputs");
  };

  // ---- controls --------------------------------------------------------------------------------------------------
  const element = (tag, attributes = {}, text = "") => {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    node.textContent = text;
    return node;
  };
  const choice = (parent, label, view, key, entries, redraw) => {
    const group = element("div");
    if (label) group.append(element("span", { class: "label" }, label));
    if (entries.length > 5) {
      const select = element("select", { "aria-label": label || key });
      entries.forEach(([value, text], i) => select.append(element("option", { value: i }, text)));
      select.selectedIndex = entries.findIndex(([value]) => value === view[key]);
      select.addEventListener("change", () => { view[key] = entries[select.selectedIndex][0]; redraw(); });
      group.append(select);
    } else {
      const buttons = entries.map(([value, text]) => {
        const button = element("button", { type: "button", "aria-pressed": view[key] === value }, text);
        button.addEventListener("click", () => {
          view[key] = value;
          buttons.forEach((other) => other.setAttribute("aria-pressed", other === button));
          redraw();
        });
        return button;
      });
      group.append(...buttons);
    }
    parent.append(group);
  };
  const drawEverything = () => {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawCurves();
    drawRates();
    drawSeeds();
    drawDifferences();
    if (data.quantization.length) drawAllQuantization();
    drawLegend();
  };
  const drawLegend = () => {
    const legend = byId("legend");
    legend.replaceChildren(...data.recipes.map((recipe, index) => {
      const { colour, dash } = look(index);
      const button = element("button", { type: "button", "aria-pressed": shown(index), title: "show or hide in all charts" });
      button.innerHTML = `<svg viewBox="0 0 28 12" aria-hidden="true"><line x1="0" y1="6" x2="28" y2="6" stroke="${colour}" stroke-width="3" stroke-dasharray="${dash.join(" ")}"/></svg>`;
      button.append(recipe.label);
      button.addEventListener("click", () => { if (!hidden.delete(index)) hidden.add(index); drawEverything(); });
      return button;
    }));
  };

  const controls = byId("curve-controls");
  choice(controls, "", curveView, "series", [["smoothed", "smoothed"], ["raw", "every step"], ["validation", "validation"],
    ...(data.baseline === null || data.recipes.length < 2 ? [] : [["difference", "minus " + data.recipes[data.baseline].label]])], drawCurves);
  if (data.learning_rates.length > 1)
    choice(controls, "learning rate", curveView, "rate", [["best", "best of each"], ...data.learning_rates.map((lr) => [lr, rate(lr)])], drawCurves);
  if (data.has_floor) choice(controls, "axis", curveView, "scale", [["log", "log"], ["linear", "linear"]], drawCurves);
  choice(byId("rate-controls"), "axis", rateView, "scale", [["linear", "linear"], ["log", "log"]], drawRates);
  const quantizationControls = byId("quantization-controls");
  if (quantizationControls && data.quantization.length) {
    const operands = [...new Set(data.quantization.flatMap((q) => Object.keys(q.series)))];
    choice(quantizationControls, "operand", quantizationView, "operand", operands.map((name) => [name, name]), drawAllQuantization);
    choice(quantizationControls, "axis", quantizationView, "scale", [["log", "log"], ["linear", "linear"]], drawAllQuantization);
  }
  drawEverything();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawEverything);
})();
