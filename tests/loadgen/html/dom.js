// As much of a browser as page.js asks of it. From stdin: the page as a tree, its script, and
// what the pointer does; to stdout: what is to be seen after each of its moves.
"use strict";
const vm = require("node:vm");
const { page, script, pointer, width } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));

class Element {
  constructor(tag, attributes = {}, parent = null) {
    Object.assign(this, { tag, attributes, parentElement: parent, children: [], style: {}, listeners: {} });
  }
  static of([tag, attributes, children], parent) {
    const made = new Element(tag, attributes, parent);
    made.children = children.map((child) => (typeof child === "string" ? child : Element.of(child, made)));
    return made;
  }
  get all() {
    const inner = this.children.filter((child) => child instanceof Element);
    return inner.flatMap((child) => [child, ...child.all]);
  }
  named(tag) { return this.all.filter((element) => element.tag === tag); }
  get textContent() {
    return this.children.map((child) => (child instanceof Element ? child.textContent : child)).join("");
  }
  set textContent(text) { this.children = [text]; }
  get dataset() {
    const data = Object.entries(this.attributes).filter(([name]) => name.startsWith("data-"));
    return Object.fromEntries(data.map(([name, value]) => [name.slice(5), value]));
  }
  get tHead() { return this.named("thead")[0]; }
  get tBodies() { return this.named("tbody"); }
  get rows() { return this.named("tr"); }
  get cells() { return this.all.filter((element) => element.tag === "td" || element.tag === "th"); }
  insert(tag) {
    const made = new Element(tag, {}, this);
    this.children.push(made);
    return made;
  }
  insertRow() { return this.insert("tr"); }
  insertCell() { return this.insert("td"); }
  replaceChildren(...children) { this.children = children; }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  get viewBox() {
    return { baseVal: { width: Number(this.attributes.viewBox.split(" ")[2]) } };
  }
  get offsetWidth() { return 300; }
  get clientWidth() { return width; }
  getBoundingClientRect() { return { left: 100, top: 50, width }; }
}

const root = Element.of(page, null);
const document = {
  getElementById: (id) => root.all.find((element) => element.attributes.id === id) ?? null,
  createElement: (tag) => new Element(tag),
  querySelectorAll: (selector) => selector.split(" ").reduce(
    (found, part) => found.flatMap((element) => element.all).filter((element) =>
      part.startsWith("#") ? element.attributes.id === part.slice(1) : element.tag === part),
    [root]),
};
vm.runInNewContext(script, { document, Number, Object, Math });

const svg = document.getElementById("timeline");
const box = document.getElementById("values");
const cursor = document.getElementById("cursor");
const seen = pointer.map((at) => {
  svg?.listeners[at === null ? "pointerleave" : "pointermove"](at === null ? {} : { clientX: at, clientY: 80 });
  return {
    shown: box?.style.display === "block",
    values: Object.fromEntries(box ? box.rows.map((row) => row.cells.map((cell) => cell.textContent)) : []),
    left: box?.style.left, top: box?.style.top, x: Number(cursor?.attributes.x1), line: cursor?.style.visibility,
  };
});
process.stdout.write(JSON.stringify({ seen, listens: Object.keys(svg?.listeners ?? {}) }));
