/** Section `kernels`: every kernel on every table, beside the limit that bounds it and, with `--peers`, beside ggml and onnxruntime. */
import { measureInTurns } from "./contest.mjs";
import { roundedSummary } from "./limits.mjs";
import { rounded, timesBetter, withLimit } from "./rows.mjs";
import { opened } from "./sides.mjs";

/** [rows, columns]: what a 2-billion-parameter ternary model multiplies with, and a square one. */
export const SHAPES = [
  [2560, 2560],
  [6912, 2560],
  [2560, 6912],
  [4096, 4096],
];
const FORMATS = { ternary2: 1 / 4, ternary5: 1 / 5, binary: 1 / 8 };
/** Weights that a vector streams through: more than any third-level cache. */
const RING = 256 << 20;
export const WHERE = {
  "vector hot": { m: 1, ring: 0 },
  "vector stream": { m: 1, ring: RING },
  "512 columns": { m: 512, ring: 0 },
};
/** The loop that bounds the multiplications of a table. */
const MULTIPLY = {
  sse42: "i8 maddubs i16 xmm",
  avx2: "i8 maddubs i16 ymm",
  avxvnni: "i8 dpbusd ymm",
  avx512vnni: "i8 dpbusd zmm",
  avx512: "i8 dpbusd zmm",
  simd128: "i16 dot",
};
/** One-bit weights and activations: a xor and a population count. */
const BITS = {
  sse42: "xor popcnt",
  avx2: "xor shuffle-popcount ymm",
  avxvnni: "xor shuffle-popcount ymm",
  avx512vnni: "xor shuffle-popcount zmm",
  avx512: "xor popcount zmm",
  simd128: "xor popcount",
};
const F32 = {
  sse42: "f32 mul+add xmm",
  avx2: "f32 fma ymm",
  avxvnni: "f32 fma ymm",
  avx512vnni: "f32 fma zmm",
  avx512: "f32 fma zmm",
  simd128: "f32 mul+add",
};

/**
 * What bounds a product: its multiplications, and reading its weights when one column pays for them alone. Decoding is no bound: there are cleverer ways than the plain loop
 * that the section `limits` measures. The scalar kernels are far from everything.
 */
function productLimit(limits, { format, rows, cols, m, ring }, isa, threads) {
  if (isa === "scalar") return undefined;
  const bytesEach = format === "bits" ? FORMATS.binary : FORMATS[format];
  const multiply = limits.at((format === "bits" ? BITS : MULTIPLY)[isa], threads);
  return limits.lowest(multiply, m > 1 ? undefined : limits.reading(Math.max(rows * cols * bytesEach, ring), bytesEach, threads));
}

/** A scalar product is slow; a small one has the same rate. */
const small = ({ rows, cols, m, ...rest }) => ({ ...rest, rows: Math.ceil(rows / 32), cols, m: Math.min(m, 2), ring: 0 });

/** What a peer has for a request: entries like ours, or a notice for a type it does not have. */
async function peerEntries(context, types, shape, threads) {
  const entries = [];
  for (const peer of context.peers) {
    if (shape.ring > 0 && !peer.rings) continue;
    for (const type of types(peer)) {
      const name = `${peer.label} ${type}`;
      const { rows, cols, m, ring } = shape;
      const open = opened(name, peer.side, { type, rows, cols, m, ring, threads }, { ms: context.ms });
      const entry = await open.catch((error) => context.notice(`${name}: ${error.message}`));
      if (entry) entries.push({ ...entry, isa: name, kernel: "matrix product", rival: true });
    }
  }
  return entries;
}

/** Frees what was opened. A peer that has died has been told of already. */
async function closeAll({ side, peers, notice }) {
  await side.ask({ ask: "close" });
  for (const peer of peers) await peer.side.ask({ ask: "close" }).catch((error) => notice(error.message));
}

/** Every table (best first, scalar last) of a product, and its peers, in turns. Returns rows. */
async function product(context, shape, where, threads) {
  const { side, ms, rounds, tables, limits } = context;
  const what = { name: "packed_i8", ...shape };
  const kernel = `packed int8 ${shape.format}`;
  const fast = tables.filter((isa) => isa !== "scalar");
  const entries = [];
  for (const isa of fast) entries.push({ ...(await opened(isa, side, { ...what, isa, threads }, { ms })), isa, kernel });
  const best = fast[0] ?? "scalar";
  const fromF32 = { ...what, name: "packed_i8_from_f32", isa: best, threads };
  entries.push({ ...(await opened("from f32", side, fromF32, { ms })), isa: best, kernel: `${kernel} from f32`, compared: true });
  entries.push({ ...(await opened("scalar", side, { ...small(what), isa: "scalar", threads }, { ms })), isa: "scalar", kernel });
  entries.push(...(await peerEntries(context, (peer) => peer.types[shape.format] ?? [], shape, threads)));
  const found = await measureInTurns(entries, rounds);
  await closeAll(context);
  const rows = entries.map((entry) => rowOf(entry, found, `${where} ${shape.rows}x${shape.cols}`, threads));
  return compare(entries, rows, "scalar").map((row, i) => (entries[i].rival ? row : withLimit(row, productLimit(limits, shape, row.isa, threads))));
}

const rowOf = ({ name, kernel, isa }, found, shape, threads) => ({
  name: kernel,
  shape,
  isa,
  threads,
  unit: "GMAC/s",
  ...roundedSummary(found.get(name)),
});

/**
 * Adds how rows compare: ours with the entry named `scalar`; a rival with the entry marked `compared` (f32 in, f32 out, as peers do it), and that one with every rival.
 */
function compare(entries, rows, scalar) {
  const slow = rows[entries.findIndex(({ name }) => name === scalar)];
  const ours = rows[entries.findIndex(({ compared }) => compared)];
  const rivals = rows.filter((_, i) => entries[i].rival);
  return rows.map((row, i) => {
    if (entries[i].rival) return { ...row, oursIs: rounded(timesBetter(ours, row)) };
    const toScalar = slow ? { toScalar: rounded(timesBetter(row, slow)) } : {};
    const toPeer = Object.fromEntries(rivals.map((rival) => [rival.isa, rounded(timesBetter(row, rival))]));
    return { ...row, ...toScalar, ...(row === ours && rivals.length > 0 ? { toPeer } : {}) };
  });
}

/** One-bit weights and activations on every table. No peer has such a product on x86. */
async function bits(context, shape, where, threads) {
  const { side, ms, rounds, tables, limits } = context;
  const entries = [];
  for (const isa of tables) {
    const request = { name: "binary_bits", ...(isa === "scalar" ? small(shape) : shape), isa, threads };
    entries.push({ ...(await opened(isa, side, request, { ms })), isa, kernel: "binary x binary" });
  }
  const found = await measureInTurns(entries, rounds);
  await side.ask({ ask: "close" });
  const rows = entries.map((entry) => rowOf(entry, found, `${where} ${shape.rows}x${shape.cols}`, threads));
  return compare(entries, rows, "scalar").map((row) => withLimit(row, productLimit(limits, { ...shape, format: "bits" }, row.isa, threads)));
}

/** Bytes that a kernel reads for an element, and bytes that all its operands have for one: reading bounds it, and where it reads from depends on all of them. */
const BYTES = {
  adamw: { read: 16, all: 16 },
  cross_entropy: { read: 4, all: 8 },
  softmax: { read: 4, all: 8 },
  quantize_act_rows: { read: 4, all: 5 },
  quantize_ternary: { read: 4, all: 9 },
  sum_abs: { read: 4, all: 4 },
  count_diff: { read: 2, all: 2 },
};
export const STEPS = [
  ["adamw", 1, 225_792],
  ["cross_entropy", 3830, 113],
  ["cross_entropy", 512, 1024],
  ["softmax", 4096, 64],
  ["softmax", 65_536, 3],
  ["quantize_act_rows", 1, 2560],
  ["quantize_act_rows", 512, 2560],
  ["quantize_ternary", 1, 65_536],
  ["sum_abs", 1, 65_536],
  ["count_diff", 1, 65_536],
];

/** One kernel of training on every table. */
async function step({ side, ms, rounds, tables, limits }, [kernel, rows, cols]) {
  const entries = [];
  for (const isa of tables) entries.push(await opened(isa, side, { name: "step", kernel, rows, cols, isa }, { ms }));
  const found = await measureInTurns(entries, rounds);
  await side.ask({ ask: "close" });
  const measured = tables.map((isa) => ({
    name: kernel,
    shape: `${rows}x${cols}`,
    isa,
    threads: 1,
    unit: "G/s",
    ...roundedSummary(found.get(isa)),
  }));
  const scalar = measured.at(-1);
  const limit = limits.reading(rows * cols * BYTES[kernel].all, BYTES[kernel].read, 1);
  return measured.map((row) => withLimit({ ...row, toScalar: rounded(timesBetter(row, scalar)) }, row.isa === "scalar" ? undefined : limit));
}

/** The dense f32 product beside those of peers. */
async function dense(context, [rows, cols], m) {
  const { side, ms, rounds, tables, limits } = context;
  const ours = await opened("dense f32", side, { name: "dense", m, rows, cols }, { ms });
  const rivals = await peerEntries(context, (peer) => [peer.f32], { rows, cols, m, ring: 0 }, 1);
  const entries = [{ ...ours, kernel: "dense f32", isa: "library", compared: true }, ...rivals];
  const found = await measureInTurns(entries, rounds);
  await closeAll(context);
  const measured = entries.map((entry) => rowOf(entry, found, columns(m, rows, cols), 1));
  const reading = m === 1 ? limits.reading(rows * cols * 4, 4, 1) : undefined;
  const [first, ...others] = compare(entries, measured);
  return [withLimit(first, limits.lowest(limits.at(F32[tables[0]], 1), reading)), ...others];
}

const columns = (m, rows, cols) => `${m} column${m > 1 ? "s" : ""} ${rows}x${cols}`;

/** The packed product with f32 activations in one format. */
async function packedFloat({ side, ms, rounds, tables, limits }, format, [rows, cols], m) {
  const what = { name: "packed_f32", format, rows, cols, m, ring: 0, threads: 1 };
  const entries = [];
  for (const isa of tables) {
    const shape = isa === "scalar" ? small(what) : what;
    entries.push({ ...(await opened(isa, side, { ...shape, isa }, { ms })), kernel: `packed f32 ${format}`, isa });
  }
  const found = await measureInTurns(entries, rounds);
  await side.ask({ ask: "close" });
  const measured = entries.map((entry) => rowOf(entry, found, columns(m, rows, cols), 1));
  return compare(entries, measured, "scalar").map((row) => withLimit(row, limits.at(F32[row.isa], 1)));
}

/** How much of a product the quantisation of its activations takes: both were measured, this is their quotient. */
function quantisationShare(rows, [height, width]) {
  const product = rows.find((row) => row.name === "packed int8 ternary2" && row.shape === `vector hot ${height}x${width}` && row.threads === 1);
  const quantise = rows.find((row) => row.name === "quantize_act_rows" && row.shape === `1x${width}` && row.isa === product?.isa);
  if (!product || !quantise) return [];
  const [slow, fast] = [(height * width) / product.median, width / quantise.median];
  return [
    { name: "quantisation in front", shape: `of ${height}x${width}`, isa: product.isa, threads: 1, unit: "%", median: rounded((100 * fast) / slow) },
  ];
}

/** Runs the section; `context` holds the side, its tables, measured limits and the peers that stand beside it. */
export async function measureKernels(context, report) {
  const { shapes, formats = Object.keys(FORMATS), threads } = context;
  const all = [];
  const add = (rows) => {
    all.push(...rows);
    report(rows);
  };
  for (const known of context.stepShapes) add(await step(context, known));
  for (const m of context.floatColumns) {
    add(await dense(context, shapes[0], m));
    for (const format of formats) add(await packedFloat(context, format, shapes[0], m));
  }
  for (const count of threads)
    for (const [where, { m, ring }] of Object.entries(WHERE))
      for (const [rows, cols] of shapes) {
        for (const format of formats) add(await product(context, { format, rows, cols, m, ring }, where, count));
        add(await bits(context, { rows, cols, m, ring }, where, count));
      }
  add(quantisationShare(all, shapes[0]));
  return all;
}
