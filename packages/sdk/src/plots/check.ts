/** What a chart must hold before it is drawn or printed. */
import { TritlensError, unknownName } from "../core/errors.ts";
import type { Chart } from "./chart.ts";

/** @throws E_SHAPE for numbers that do not fit their labels, E_RANGE for a node without a layer, E_NAME for an edge between nodes that are not there or a kind of chart that does not exist. */
export function checkChart(chart: Chart): void {
  if (typeof chart !== "object" || chart === null)
    throw new TritlensError("E_SHAPE", "this is no chart", { expected: "{ kind, title, ... }", found: chart === null ? "null" : typeof chart });
  requireParts(chart);
  switch (chart.kind) {
    case "heatmap": {
      const [rows, columns] = [chart.y.labels.length, chart.x.labels.length];
      requireCount(chart, `${rows} ${chart.y.name} x ${columns} ${chart.x.name} values`, rows * columns, chart.values.length);
      if (chart.text) requireCount(chart, `${rows} x ${columns} texts`, rows * columns, chart.text.length);
      break;
    }
    case "bars":
      for (const { name, values } of chart.series) requireCount(chart, `values of "${name}"`, chart.x.labels.length, values.length);
      break;
    case "lines":
      for (const { name, values } of chart.series) requireCount(chart, `values of "${name}"`, chart.x.values.length, values.length);
      break;
    case "attention": {
      const keys = chart.tokens.length;
      for (const { name, weights } of chart.heads)
        if (keys === 0 ? weights.length > 0 : weights.length % keys !== 0 || weights.length > keys * keys)
          throw new TritlensError("E_SHAPE", `"${chart.title}" cannot be drawn: weights of head "${name}" do not fit the tokens`, {
            expected: `[query, key] with ${keys} keys and at most as many queries`,
            found: `${weights.length} numbers`,
          });
      break;
    }
    case "graph": {
      const ids = chart.nodes.map((n) => n.id);
      const lost = chart.nodes.find((n) => !Number.isFinite(n.layer));
      if (lost)
        throw new TritlensError("E_RANGE", `"${chart.title}" cannot be drawn: layer of node "${lost.id}"`, {
          expected: "a finite number",
          found: String(lost.layer),
        });
      const known = new Set(ids);
      for (const { from, to } of chart.edges) for (const id of [from, to]) if (!known.has(id)) throw unknownName("node of the graph", id, ids);
      break;
    }
    case "panels":
      chart.panels.forEach(checkChart);
      break;
    case "scatter":
      break;
    default:
      throw unknownName("kind of chart", String((chart as Chart).kind), ["heatmap", "bars", "lines", "scatter", "attention", "graph", "panels"]);
  }
}

/** The lists of each kind of chart. */
const LISTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["heatmap", ["values", "x.labels", "y.labels"]],
  ["bars", ["x.labels", "series"]],
  ["lines", ["x.values", "series"]],
  ["scatter", ["points"]],
  ["attention", ["tokens", "heads"]],
  ["graph", ["nodes", "edges"]],
  ["panels", ["panels"]],
]);

function requireParts(chart: Chart): void {
  for (const path of LISTS.get(chart.kind) ?? []) {
    const found = path.split(".").reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], chart);
    if (typeof (found as ArrayLike<unknown> | undefined)?.length !== "number")
      throw new TritlensError("E_SHAPE", `"${chart.title}" cannot be drawn: ${path}`, { expected: "a list", found: typeof found });
  }
}

function requireCount({ title }: Chart, what: string, expected: number, found: number): void {
  if (expected !== found)
    throw new TritlensError("E_SHAPE", `"${title}" cannot be drawn: ${what}`, { expected: String(expected), found: String(found) });
}
