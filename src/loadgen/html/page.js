// Values under the pointer, read from the table of seconds: what is drawn is also written there.
(() => {
  const svg = document.getElementById("timeline");
  const seconds = document.getElementById("seconds");
  if (!svg || !seconds) return;
  const cursor = document.getElementById("cursor");
  const box = document.getElementById("values");
  const heads = [...seconds.tHead.rows[0].cells].map((cell) => cell.textContent);
  const rows = [...seconds.tBodies[0].rows];
  const starts = rows.map((row) => Number(row.dataset.at));
  const events = [...document.querySelectorAll("#events tbody tr")];
  const { left, right, span } = Object.fromEntries(
    Object.entries(svg.dataset).map(([name, value]) => [name, Number(value)]));

  function indexAt(moment) {
    let low = 0, high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= moment) low = middle; else high = middle - 1;
    }
    return low;
  }

  function line(table, name, value) {
    const row = table.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = value;
  }

  function show(moment, pixel) {
    const index = indexAt(moment);
    const end = index + 1 < starts.length ? starts[index + 1] : span;
    const table = document.createElement("table");
    [...rows[index].cells].forEach((cell, column) => {
      const value = cell.textContent;
      if (column === 0 || (value !== "0" && value !== "–")) line(table, heads[column], value);
    });
    const near = events.filter((row) => row.dataset.at >= starts[index] && row.dataset.at < end);
    near.slice(0, 6).forEach((row) =>
      line(table, row.cells[0].textContent, row.cells[2].textContent + " " + row.cells[3].textContent));
    if (near.length > 6) line(table, "", "and " + (near.length - 6) + " more events");
    box.replaceChildren(table);
    box.style.display = "block";
    const room = svg.parentElement.parentElement.clientWidth;
    const beside = pixel + 16 + box.offsetWidth > room ? pixel - 16 - box.offsetWidth : pixel + 16;
    box.style.left = Math.max(0, beside) + "px";
    const x = left + (right - left) * moment / span;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.style.visibility = "visible";
  }

  svg.addEventListener("pointermove", (event) => {
    const area = svg.getBoundingClientRect();
    const unit = (event.clientX - area.left) / area.width * svg.viewBox.baseVal.width;
    const moment = (unit - left) / (right - left) * span;
    if (moment < 0 || moment > span) return hide();
    const frame = box.parentElement.getBoundingClientRect();
    show(moment, event.clientX - frame.left);
    box.style.top = event.clientY - frame.top + 18 + "px";
  });
  function hide() {
    box.style.display = "none";
    cursor.style.visibility = "hidden";
  }
  svg.addEventListener("pointerleave", hide);
})();
