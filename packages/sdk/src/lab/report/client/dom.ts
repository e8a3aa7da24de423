/** Building elements. Text only ever enters through text nodes, so nothing in a results file can become markup. */

export type Child = Node | string | null;

/** An HTML element with attributes and children; `null` children are left out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of children) if (child !== null) node.append(child);
  return node;
}

/** A paragraph in which `code` spans set in backticks become code elements. */
export function prose(text: string, attributes: Record<string, string> = {}): HTMLParagraphElement {
  // A number and its percent sign stay on one line.
  const parts = text
    .replaceAll(" %", "\u00a0%")
    .split("`")
    .map((part, i) => (i % 2 === 1 ? el("code", {}, part) : part));
  return el("p", attributes, ...parts);
}
