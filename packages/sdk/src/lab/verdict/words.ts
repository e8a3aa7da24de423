/** The answer in plain words. Every sentence is chosen by a rule over the mode verdicts; none is written for a particular outcome. */
import { LAB_MODES, type LabModeInfo } from "../modes.ts";
import { type JudgedRun, judgeModes, type ModeVerdict, type Spread, type Verdict } from "./verdict.ts";

type Tone = Verdict["findings"][number]["tone"];

const info = (mode: string): LabModeInfo | undefined => LAB_MODES.find((m) => m.id === mode);
const title = (m: ModeVerdict): string => info(m.mode)?.title ?? m.mode;
const percent = (x: number): string => `${(100 * x).toFixed(x > 0.9995 || x < 0.1 ? 1 : 0)} %`;
const integer = (x: number): string => Math.round(x).toLocaleString("en");

/** "3,100", or "3,100 ± 240 over 3 seeds". */
export function epochs(s: Spread): string {
  return s.sd === null ? integer(s.mean) : `${integer(s.mean)} ± ${integer(s.sd)} (${s.n} seeds)`;
}

/** "a", "a and b", "a, b and c". */
export function list(items: readonly string[]): string {
  return items.length < 2 ? (items[0] ?? "") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Judges all runs and puts the result into words. */
export function verdictOf(runs: readonly JudgedRun[], modes: readonly LabModeInfo[] = LAB_MODES): Verdict {
  const judged = judgeModes(runs, modes);
  return {
    modes: judged,
    headline: headline(judged),
    paragraphs: paragraphs(judged),
    findings: judged.map((m) => ({ mode: m.mode, tone: tone(m), text: finding(m) })),
  };
}

/** The low-bit modes' comparisons decide the headline. */
export function headline(modes: readonly ModeVerdict[]): string {
  const low = modes.filter((m) => info(m.mode)?.family !== "fp32");
  if (modes.length === 1 && !modes[0]?.historyKnown) return loneHeadline(modes[0] as ModeVerdict);
  const settled = low.filter((m) => m.comparison !== "no result");
  if (settled.length === 0) return modes.some((m) => m.circuit !== "no result") ? "No low-bit model has a result yet." : "No result yet.";
  const reference = modes.find((m) => m.mode === "fp32");
  if (settled.every((m) => m.comparison === "no reference")) return noReference(settled, reference);
  return [same(settled), noisier(settled), different(settled), ungrokked(settled)].filter((s) => s !== "").join(" ");
}

/** A lone checkpoint is set beside the known circuit, not beside other models. */
function loneHeadline({ circuit }: ModeVerdict): string {
  return {
    fourier: "This model adds with the known Fourier circuit.",
    "noisy fourier": "This model adds with the known Fourier circuit, and noise beside it.",
    other: "This model adds, but not with the known Fourier circuit.",
    "not grokked": "This model does not answer pairs it was not trained on.",
    "no result": "This model could not be taken apart.",
  }[circuit];
}

/** Without a full-precision run that settled on the Fourier circuit there is nothing to compare with; the known circuit stands in. */
function noReference(low: readonly ModeVerdict[], reference: ModeVerdict | undefined): string {
  const why =
    reference === undefined || reference.circuit === "no result"
      ? "Full precision has no result to compare with"
      : `Full precision itself did not settle on the known circuit (${reference.circuit})`;
  const fourier = low.filter((m) => m.circuit === "fourier" || m.circuit === "noisy fourier");
  return `${why}; ${fourier.length} of ${low.length} low-bit modes learned the known Fourier circuit.`;
}

/** Names modes by family where a whole family agrees: "Binary and ternary transformers". */
function who(group: readonly ModeVerdict[], all: readonly ModeVerdict[]): string {
  const families = (["binary", "ternary"] as const).filter((f) => all.some((m) => info(m.mode)?.family === f));
  const whole = families.filter((f) => all.filter((m) => info(m.mode)?.family === f).every((m) => group.includes(m)));
  const named = whole.flatMap((f) => group.filter((m) => info(m.mode)?.family === f));
  if (named.length === group.length) return `${capital(list(whole))} transformers`;
  return list(group.map(title));
}

const capital = (s: string): string => s.charAt(0).toUpperCase() + s.slice(1);

function same(all: readonly ModeVerdict[]): string {
  const clean = all.filter((m) => m.comparison === "same family");
  const alike = all.filter((m) => m.comparison === "same family" || m.comparison === "same family, noisier");
  if (alike.length === 0) return "";
  const group = clean.length === 0 ? alike : clean;
  return `${who(group, all)} ${verb(group, all, "learns", "learn")} the same kind of algorithm as full precision${clean.length === 0 ? ", with more noise" : ""}.`;
}

function noisier(all: readonly ModeVerdict[]): string {
  const noisy = all.filter((m) => m.comparison === "same family, noisier");
  if (noisy.length === 0 || all.every((m) => m.comparison !== "same family")) return "";
  return `${who(noisy, all)} ${verb(noisy, all, "does", "do")} too, with more noise.`;
}

function different(all: readonly ModeVerdict[]): string {
  const other = all.filter((m) => m.comparison === "different");
  return other.length === 0 ? "" : `${who(other, all)} ${verb(other, all, "solves", "solve")} the task by something else.`;
}

function ungrokked(all: readonly ModeVerdict[]): string {
  const none = all.filter((m) => m.comparison === "not grokked");
  return none.length === 0 ? "" : `${who(none, all)} did not generalise in the epochs given.`;
}

/** Singular for one mode by its name; plural for several, and for "Binary transformers". */
function verb(group: readonly ModeVerdict[], all: readonly ModeVerdict[], one: string, many: string): string {
  return group.length === 1 && !who(group, all).endsWith("transformers") ? one : many;
}

function paragraphs(modes: readonly ModeVerdict[]): string[] {
  return [familyParagraph(modes), speedParagraph(modes), frequencyParagraph(modes), clockParagraph(modes)].filter((p) => p !== "");
}

function familyParagraph(modes: readonly ModeVerdict[]): string {
  const fourier = modes.filter((m) => m.circuit === "fourier" || m.circuit === "noisy fourier");
  if (fourier.length === 0) return "";
  const fve = fourier.map((m) => m.logitFve?.mean ?? 0);
  return `In ${fourier.length === modes.length ? (modes.length === 1 ? "the one mode run" : `all ${modes.length} modes`) : `${fourier.length} of ${modes.length} modes`} a handful of frequencies carries the answer: cosines cos(wₖ(a+b−c)) of the key frequencies make up ${range(fve)} of the logits, and taking those directions away raises the loss on the very pairs trained on to at least half of what guessing would cost.`;
}

/** How long each low-bit mode takes to grok, in units of full precision's time. */
function speedParagraph(modes: readonly ModeVerdict[]): string {
  const reference = modes.find((m) => m.mode === "fp32")?.grokEpoch ?? null;
  const low = modes.filter((m) => info(m.mode)?.family !== "fp32" && m.grokEpoch !== null);
  if (reference === null || reference.mean === 0 || low.length === 0) return "";
  const times = low.map((m) => `${title(m)} ${((m.grokEpoch?.mean ?? 0) / reference.mean).toFixed(2)}`);
  return `Full precision reaches 99 % test accuracy at epoch ${integer(reference.mean)}. As multiples of that, the others take: ${list(times)}.`;
}

function range(values: readonly number[]): string {
  const lo = Math.min(...values);
  const hi = Math.max(...values);
  return percent(lo) === percent(hi) ? percent(lo) : `${percent(lo)} to ${percent(hi)}`;
}

function frequencyParagraph(modes: readonly ModeVerdict[]): string {
  return modes.filter((m) => m.keyFrequencies !== null).length < 2
    ? ""
    : "Which frequencies a run settles on is an accident of its starting weights, in full precision as in low bits, so modes are compared by the kind of circuit and how cleanly it is carried out, never by matching frequencies.";
}

function clockParagraph(modes: readonly ModeVerdict[]): string {
  const uniform = modes.filter((m) => m.uniformAttention);
  if (uniform.length === 0) return "";
  return `${list(uniform.map(title))} ${uniform.length === 1 ? "attends" : "attend"} to all three tokens alike: the two numbers are simply averaged and the MLP does the work. Gradient symmetricity is 1 by construction there and cannot tell a clock from a pizza.`;
}

/** How a finding is marked. */
export function tone(m: ModeVerdict): Tone {
  if (m.comparison === "reference") return m.circuit === "fourier" ? "good" : "mixed";
  const tones: Record<ModeVerdict["comparison"], Tone> = {
    reference: "good",
    "same family": "good",
    "same family, noisier": "mixed",
    different: "bad",
    "not grokked": "bad",
    "no result": "none",
    "no reference": m.circuit === "fourier" ? "good" : "mixed",
  };
  return tones[m.comparison];
}

/** One sentence a mode. */
export function finding(m: ModeVerdict): string {
  if (m.circuit === "no result") return `${title(m)}: no result.`;
  if (m.circuit === "not grokked")
    return `${title(m)} did not grok: test accuracy ${percent(m.testAccuracy?.mean ?? 0)} at the end.${m.seeds > 1 ? ` ${m.agreeing} of ${m.seeds} seeds.` : ""}`;
  const grok = m.grokEpoch === null ? " answers unseen pairs" : ` groks at epoch ${epochs(m.grokEpoch)}`;
  const circuit = { fourier: "a Fourier circuit", "noisy fourier": "a noisy Fourier circuit", other: "no Fourier circuit by these rules" }[m.circuit];
  const keys =
    m.keyFrequencies === null
      ? ""
      : ` with ${m.keyFrequencies.min === m.keyFrequencies.max ? m.keyFrequencies.min : `${m.keyFrequencies.min} to ${m.keyFrequencies.max}`} key frequencies`;
  const share = m.logitFve === null ? "" : `, which make up ${percent(m.logitFve.mean)} of its logits`;
  const seeds = m.seeds > 1 ? ` The verdict holds for ${m.agreeing} of ${m.seeds} seeds.` : "";
  return `${title(m)}${grok}: ${circuit}${keys}${share}.${seeds}`;
}
