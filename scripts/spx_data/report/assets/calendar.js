// The calendar of the dashboard: a card for the session under the pointer, and a filter by state.
// The card follows the pointer or the keyboard until a click pins it. Whatever it says is set as text.
"use strict";
(() => {
  const calendar = document.querySelector(".calendar");
  if (!calendar) return;
  const section = calendar.closest("section");
  const card = document.getElementById("card");
  const { tones, tone, facts, command, page, texts } = JSON.parse(document.getElementById("calendar-data").textContent);
  const cells = [...calendar.querySelectorAll("button.day")];
  const places = new Map(cells.map((cell, place) => [cell, place]));  // the data's order is that of the cells
  const inTime = [...cells].sort((one, other) => one.dataset.date.localeCompare(other.dataset.date));
  const sheet = matchMedia("(max-width: 52rem)");
  // Milliseconds in which the pointer gets from a cell to its card; and in which it crosses other cells on its
  // way there: to see one of those takes longer.
  const BRIDGE = 220, CROSSING = 120;

  let shown = null, pinned = false, leaving = 0, turning = 0;

  // The card ------------------------------------------------------------------------------------------------

  const SUBSTITUTE = "\u001a";  // in texts that many sessions share, it stands for the date
  const written = (text, date) => texts[text].replaceAll(SUBSTITUTE, date);

  function longDate(date) {
    const form = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
    return new Date(`${date}T00:00:00Z`).toLocaleDateString("en-GB", form);
  }

  function element(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  }

  function fill(cell) {
    const place = places.get(cell), date = cell.dataset.date;
    const time = card.querySelector("time"), state = card.querySelector(".state");
    time.dateTime = date;
    time.textContent = longDate(date);
    state.className = `state ${[...cell.classList].filter((name) => !["day", "dim", "shown"].includes(name)).join(" ")}`;
    state.textContent = tones[tone[place]][1];
    const told = Object.entries(facts).filter(([, column]) => column[place]);
    card.querySelector("dl").replaceChildren(...told.flatMap(([name, column]) =>
      [element("dt", name), element("dd", written(column[place], date))]));
    const words = written(command[place], date), copy = card.querySelector("button.copy");
    card.querySelector(".do").hidden = !words;
    card.querySelector(".command code").textContent = words;
    copy.dataset.copy = words;
    card.querySelector(".more").hidden = !page[place];
    card.querySelector("a.page").setAttribute("href", `days/${date}.html`);
    const at = inTime.indexOf(cell);
    for (const step of card.querySelectorAll(".step")) step.disabled = !inTime[at + Number(step.dataset.step)];
  }

  /** Put the card below its cell, else above it, else beside it, and inside of the window. */
  function put(cell) {
    card.style.left = card.style.top = "";
    if (sheet.matches) return;
    const MARGIN = 8, GAP = 1;  // less than between cells: a slow hand meets no other one on its way
    const { left, right, top, bottom } = cell.getBoundingClientRect();
    const { width, height } = card.getBoundingClientRect();
    const ceiling = document.querySelector(".top").getBoundingClientRect().bottom + MARGIN;
    const floor = innerHeight - MARGIN, wall = document.documentElement.clientWidth - MARGIN;
    let x = Math.max(MARGIN, Math.min((left + right - width) / 2, wall - width));
    let y = bottom + GAP;
    if (y + height > floor) y = top - GAP - height;
    if (y < ceiling) {
      x = right + GAP + width <= wall ? right + GAP : Math.max(MARGIN, left - GAP - width);
      y = Math.max(ceiling, Math.min(top, floor - height));
    }
    const within = section.getBoundingClientRect();
    card.style.left = `${x - within.left}px`;
    card.style.top = `${y - within.top}px`;
  }

  /** A pointer that rests somewhere is neither leaving nor on its way. */
  function stay() {
    clearTimeout(leaving);
    clearTimeout(turning);
  }

  function show(cell) {
    stay();
    if (cell === shown) return;
    shown?.classList.remove("shown");
    shown = cell;
    cell.classList.add("shown");
    fill(cell);
    card.hidden = false;
    card.scrollTop = 0;
    put(cell);
  }

  function pin(cell) {
    show(cell);
    pinned = true;
    card.classList.add("pinned");
    put(cell);
    if (sheet.matches) cell.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  function hide() {
    stay();
    shown?.classList.remove("shown");
    shown = null;
    pinned = false;
    card.classList.remove("pinned");
    card.hidden = true;
  }

  function leave() {
    stay();
    if (!pinned) leaving = setTimeout(() => { if (!card.matches(":hover")) hide(); }, BRIDGE);
  }

  // The pointer ---------------------------------------------------------------------------------------------

  const cellOf = (event) => event.target.closest?.("button.day");

  calendar.addEventListener("pointerover", (event) => {
    const cell = cellOf(event);
    if (!cell || pinned || event.pointerType !== "mouse") return;
    stay();
    turning = setTimeout(() => show(cell), shown && shown !== cell ? CROSSING : 0);
  });
  calendar.addEventListener("pointerout", (event) => { if (cellOf(event)) leave(); });
  card.addEventListener("pointerenter", stay);
  card.addEventListener("pointerleave", leave);
  card.querySelector(".close").addEventListener("click", hide);
  card.addEventListener("click", (event) => {
    const step = event.target.closest(".step");
    if (step) pin(inTime[inTime.indexOf(shown) + Number(step.dataset.step)]);
  });
  document.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (cell && pinned && cell === shown) hide();
    else if (cell) pin(cell);
    else if (shown && !event.target.closest("#card")) hide();
  });
  addEventListener("resize", () => { if (shown) put(shown); });

  // The keyboard: one cell is in the order of tabs, arrows move it ---------------------------------------------

  /** The session nearest to *days* from *cell*, in that direction; the one next to it where there is none. */
  function away(cell, days) {
    const moment = Date.parse(cell.dataset.date) + days * 86_400_000;
    const goal = new Date(moment).toISOString().slice(0, 10);
    const beyond = (other) => (days > 0 ? other.dataset.date >= goal : other.dataset.date <= goal);
    return days > 0 ? inTime.find(beyond) : inTime.findLast(beyond);
  }

  const next = (cell, step) => inTime[inTime.indexOf(cell) + step];
  const MOVES = {
    ArrowDown: (cell) => next(cell, 1),
    ArrowUp: (cell) => next(cell, -1),
    ArrowRight: (cell) => away(cell, 7),
    ArrowLeft: (cell) => away(cell, -7),
    PageDown: (cell) => away(cell, 28),
    PageUp: (cell) => away(cell, -28),
    Home: () => inTime[0],
    End: () => inTime.at(-1),
  };
  let stop = inTime.at(-1);
  for (const cell of cells) {
    cell.tabIndex = cell === stop ? 0 : -1;
    cell.ariaLabel = `${cell.dataset.date}, ${tones[tone[places.get(cell)]][1]}`;
  }

  calendar.addEventListener("keydown", (event) => {
    const cell = cellOf(event), to = cell && MOVES[event.key]?.(cell);
    if (cell && event.key in MOVES) event.preventDefault();
    to?.focus();
  });
  calendar.addEventListener("focusin", (event) => {
    const cell = cellOf(event);
    if (!cell) return;
    stop.tabIndex = -1;
    stop = cell;
    stop.tabIndex = 0;
    if (cell.matches(":focus-visible")) show(cell);
  });
  section.addEventListener("focusout", (event) => {
    if (!card.contains(event.relatedTarget) && !calendar.contains(event.relatedTarget)) leave();
  });
  card.addEventListener("focusin", stay);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !shown) return;
    if (card.contains(document.activeElement)) shown.focus();
    hide();
  });

  // A link to a date opens its card --------------------------------------------------------------------------

  function follow() {
    const cell = cells.find((each) => `#${each.dataset.date}` === location.hash);
    if (!cell) return;
    cell.scrollIntoView({ block: "center" });
    pin(cell);
  }
  addEventListener("hashchange", follow);
  follow();

  // The legend dims every other state -------------------------------------------------------------------------

  const legend = [...section.querySelectorAll(".legend button")];

  function only(name) {
    for (const button of legend) button.ariaPressed = String(button.dataset.tone === name);
    cells.forEach((cell, place) => cell.classList.toggle("dim", name !== null && tones[tone[place]][0] !== name));
  }
  for (const button of legend) {
    button.addEventListener("click", () => only(button.ariaPressed === "true" ? null : button.dataset.tone));
  }
})();
