// What every page does: draws its charts in the colours of the hour, copies commands, moves sliders.
"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const parsed = (element) => JSON.parse(element.textContent);

  // Colours ------------------------------------------------------------------------------------------------

  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  /** The value that the colour of this name has now; nothing where there is none. */
  function colour(name) {
    if (!getComputedStyle(root).getPropertyValue(`--${name}`)) return undefined;
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  function looks() {
    const [ink, soft, line, grid] = ["ink", "soft", "line", "grid"].map(colour);
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent",
      font,
      view: { stroke: "transparent" },
      axis: { labelColor: soft, titleColor: soft, domainColor: line, tickColor: line, gridColor: grid,
              titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 11,
              labelOverlap: "greedy", labelSeparation: 4 },
      legend: { labelColor: soft, titleColor: soft, titleFontWeight: "normal", orient: "top", offset: 6,
                labelOverlap: "greedy", labelSeparation: 6 },
      text: { color: ink },
    };
  }

  // Charts -------------------------------------------------------------------------------------------------

  const tables = parsed(document.getElementById("data"));
  const drawn = new Map();  // plot → what vega-embed returned

  /** The rows of a table that stands in the page by columns; new ones, because Vega writes into them. */
  function rows(name) {
    const columns = Object.entries(tables[name]);
    const count = columns.length ? columns[0][1].length : 0;
    return Array.from({ length: count }, (_, at) =>
      Object.fromEntries(columns.map(([key, values]) => [key, values[at]])));
  }

  async function draw(figure) {
    const plot = figure.querySelector(".plot");
    const datasets = {};
    const spec = JSON.parse(figure.querySelector("script").textContent, (key, value) => {
      if (key === "data" && value && Object.hasOwn(tables, value.name)) datasets[value.name] ??= rows(value.name);
      return typeof value === "string" && value.startsWith("@") ? colour(value.slice(1)) ?? value : value;
    });
    spec.datasets = { ...spec.datasets, ...datasets };
    drawn.get(plot)?.finalize();
    const result = await vegaEmbed(plot, spec, {
      mode: "vega-lite", actions: false, renderer: "svg", config: looks(),
      ast: true,  // expressions are interpreted: the page's policy forbids to make functions of texts
    });
    drawn.set(plot, result);
    for (const slider of document.querySelectorAll("input[data-signal]")) await send(slider, result.view);
  }

  // What nobody has scrolled to is not drawn yet; what is printed is.
  const figures = [...document.querySelectorAll("figure.chart")];
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "400px" });
  figures.forEach((figure) => seen.observe(figure));
  addEventListener("beforeprint", () => figures.forEach((figure) => {
    seen.unobserve(figure);
    if (!drawn.has(figure.querySelector(".plot"))) draw(figure);
  }));

  function redraw() {
    for (const plot of drawn.keys()) draw(plot.closest("figure"));
  }
  dark.addEventListener("change", redraw);
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("spx-data-theme", root.dataset.theme);  // `theme.js` asks for it
    } catch { /* as there */ }
    redraw();
  });

  // Sliders: <input type=range data-signal=minute data-labels='["09:31", …]'> and an <output> beside it -----

  async function send(slider, view) {
    if (slider.dataset.signal in view.getState().signals) await view.signal(slider.dataset.signal, +slider.value).runAsync();
  }
  for (const slider of document.querySelectorAll("input[data-signal]")) {
    const labels = JSON.parse(slider.dataset.labels);
    const told = slider.parentElement.querySelector("output");
    const tell = () => { told.textContent = labels[+slider.value]; };
    slider.addEventListener("input", () => {
      tell();
      for (const { view } of drawn.values()) send(slider, view);
    });
    tell();
  }

  // Commands -----------------------------------------------------------------------------------------------

  /** Put a text on the clipboard, by the old way where a page from the disk may not use the new one. */
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    await copy(button.dataset.copy);
    const before = button.textContent;
    button.textContent = "copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  });
})();
