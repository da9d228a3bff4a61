// Sorts and filters the table of all measurements where it stands: ranks and groups are what they were measured to be, and
// a page without scripts shows the same table in the order of its loads.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const units = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, bytes: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
  // What a cell says as a number, if it begins with one; its unit is that of the whole column or stands behind it.
  const number = (text) => {
    const found = /^[≥\s]*(-?[\d,]*\.?\d+)\s*(\S*)/.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) * (units[found[2]] ?? 1) : null;
  };
  const key = (row, place) => row.cells[place].dataset.key ?? row.cells[place].textContent.trim();
  const order = (place) => (first, second) => {
    const [one, other] = [key(first, place), key(second, place)];
    const [left, right] = [number(one), number(other)];
    if (left !== null && right !== null) return left - right;
    return left !== null ? -1 : right !== null ? 1 : one.localeCompare(other);
  };
  [...table.tHead.rows[0].cells].forEach((cell, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[cell.getAttribute("aria-sort") ?? "none"];
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      const sorted = next === "none" ? rows : [...rows].sort(order(place));
      if (next === "descending") sorted.reverse();
      if (next !== "none") cell.setAttribute("aria-sort", next);
      body.append(...sorted);
    });
  });
  const filter = document.querySelector(`[data-filters="${table.id}"]`);
  const [input, count] = [filter.querySelector("input"), filter.querySelector("output")];
  const show = () => {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  input.addEventListener("input", show);
  filter.hidden = false;
  show();
}
