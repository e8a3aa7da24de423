/** Charts as data: what a result wants drawn. One module draws them all (see {@link drawSvg}), so that they look alike in Node, in a page and in the report. */

/** What every chart may say. */
export interface ChartText {
  /** Heading. */
  readonly title: string;
  /** What the reader should see, in a sentence; also the picture's description for screen readers. */
  readonly caption?: string;
}

/** An axis with names for its places. */
export interface Labels {
  /** What the axis is: `layer`, `position`, `head`. */
  readonly name: string;
  /** Name of each place, such as the tokens. */
  readonly labels: readonly string[];
}

/** Numbers in a grid; NaN leaves a cell empty. `diverging` colours go out from 0, `sequential` ones from the least to the largest value. */
export interface HeatmapChart extends ChartText {
  /** Which chart. */
  readonly kind: "heatmap";
  /** Row-major [y, x]. */
  readonly values: ArrayLike<number>;
  /** Columns. */
  readonly x: Labels;
  /** Rows, from the top. */
  readonly y: Labels;
  /** Colours; `diverging` when left out. */
  readonly scale?: "diverging" | "sequential";
  /** Values of the strongest colours; those of the data when left out. */
  readonly range?: readonly [lo: number, hi: number];
  /** Text in each cell (a lens writes its tokens there), row-major. */
  readonly text?: readonly string[];
  /** What the numbers are: `logit difference`. */
  readonly unit?: string;
}

/** Bars from 0, one a label; with several series, side by side. */
export interface BarChart extends ChartText {
  /** Which chart. */
  readonly kind: "bars";
  /** Names of the bars. */
  readonly x: Labels;
  /** The bars. */
  readonly series: readonly Series[];
  /** What the numbers are. */
  readonly unit?: string;
}

/** A row of numbers with a name. */
export interface Series {
  /** Name in the legend. */
  readonly name: string;
  /** One a place of x, [place]; NaN draws nothing. */
  readonly values: ArrayLike<number>;
}

/** An axis of numbers. */
export interface Places {
  /** What the numbers are. */
  readonly name: string;
  /** Where the points lie, [place]. */
  readonly values: ArrayLike<number>;
  /** Logarithmic: places that are not above 0 are left out. */
  readonly log?: boolean;
}

/** Lines over numbers. */
export interface LineChart extends ChartText {
  /** Which chart. */
  readonly kind: "lines";
  /** Where the points lie, and what that is. */
  readonly x: Places;
  /** The lines. */
  readonly series: readonly Series[];
  /** What the numbers are. */
  readonly unit?: string;
  /** Logarithmic y. */
  readonly log?: boolean;
}

/** A point of a scatter chart. */
export interface ChartPoint {
  /** Across; points that are not finite are left out. */
  readonly x: number;
  /** Up. */
  readonly y: number;
  /** Written beside it where there is room, else under the pointer. */
  readonly label?: string;
  /** Points of a group share a colour and a shape. */
  readonly group?: string;
}

/** Points with names. */
export interface ScatterChart extends ChartText {
  /** Which chart. */
  readonly kind: "scatter";
  /** Points; those of a group share a colour. */
  readonly points: readonly ChartPoint[];
  /** What x is. */
  readonly xName: string;
  /** What y is. */
  readonly yName: string;
  /** Draw the line y = x. */
  readonly diagonal?: boolean;
}

/** An attention head of a chart. */
export interface ChartHead {
  /** `L0H1`. */
  readonly name: string;
  /** [query, key], row-major. */
  readonly weights: ArrayLike<number>;
}

/** Attention patterns of one or more heads over tokens: rows are queries, columns keys. */
export interface AttentionChart extends ChartText {
  /** Which chart. */
  readonly kind: "attention";
  /** Text of each key; queries are the last of them. */
  readonly tokens: readonly string[];
  /** Heads: a name and weights [query, key], row-major. */
  readonly heads: readonly ChartHead[];
}

/** A node of a graph. */
export interface ChartNode {
  /** What edges name it by. */
  readonly id: string;
  /** Text in its box. */
  readonly label: string;
  /** How far up it stands; only the order matters. */
  readonly layer: number;
  /** Colour of its box. */
  readonly score?: number;
  /** Nodes of a group share the colour of their border. */
  readonly group?: string;
}

/** An edge of a graph. */
export interface ChartEdge {
  /** Id of a node. */
  readonly from: string;
  /** Id of a node. */
  readonly to: string;
  /** Width; the sign gives the colour. */
  readonly score: number;
  /** Written beside the score, where there are few edges. */
  readonly label?: string;
}

/** A graph in layers: circuits. */
export interface GraphChart extends ChartText {
  /** Which chart. */
  readonly kind: "graph";
  /** Nodes; `layer` says how far up (0 at the bottom). */
  readonly nodes: readonly ChartNode[];
  /** Edges; widths and colours follow the score. */
  readonly edges: readonly ChartEdge[];
}

/** Several charts side by side. */
export interface PanelsChart extends ChartText {
  /** Which chart. */
  readonly kind: "panels";
  /** The charts. */
  readonly panels: readonly Chart[];
  /** Most charts in a row. */
  readonly columns?: number;
}

/** Everything that can be drawn. */
export type Chart = HeatmapChart | BarChart | LineChart | ScatterChart | AttentionChart | GraphChart | PanelsChart;
