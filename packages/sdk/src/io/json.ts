/**
 * A strict JSON reader for file headers. `JSON.parse` hides what a loader must see: it merges duplicate keys, rounds integers above 2^53 and makes
 * plain objects in which a key `__proto__` vanishes. This one returns Maps, refuses duplicates, non-integers, deep nesting and lone surrogates.
 */
import { TritlensError } from "../core/errors.ts";

/** What headers hold: no floats, no booleans. */
export type HeaderValue = string | number | HeaderValue[] | Map<string, HeaderValue>;

/** Headers are { name: { field: [numbers] } }; anything deeper is not a header. */
const MAX_DEPTH = 4;
/** Bound on the entries of one object or array. */
const MAX_ENTRIES = 1_000_000;

/**
 * Parses a header that must be one JSON object.
 *
 * @param loose - Keeps other numbers, true, false and null as their text (indices of checkpoints have them beside what is read).
 * @throws E_FORMAT with the position, what was expected and what was found.
 */
export function parseHeader(text: string, loose = false): Map<string, HeaderValue> {
  const fields = new Map<string, HeaderValue>();
  visitHeader(text, (key, value) => void fields.set(key, value), loose);
  return fields;
}

/** As {@link parseHeader}, one entry of the object at a time: what `visit` throws ends it, so that little is read of a header that is wrong early. */
export function visitHeader(text: string, visit: (key: string, value: HeaderValue) => void, loose = false): void {
  const reader = new Reader(text, loose);
  const seen = new Set<string>();
  reader.entries(1, seen, (key, value) => {
    seen.add(key);
    visit(key, value);
  });
  reader.end();
}

/** Printable ASCII without quote and backslash: such a literal means itself. */
const PLAIN = /^[ !#-[\]-~]*$/;

class Reader {
  readonly #text: string;
  readonly #loose: boolean;
  #at = 0;

  constructor(text: string, loose: boolean) {
    this.#text = text;
    this.#loose = loose;
  }

  /** The entries of an object; `seen` has the keys so far. */
  entries(depth: number, seen: { has(key: string): boolean; readonly size: number }, visit: (key: string, value: HeaderValue) => void): void {
    for (let more = this.#open("{", "}", depth); more; more = this.#next("}", seen.size)) {
      const at = this.#at;
      const key = this.#string();
      if (seen.has(key)) this.#fail("a key that was not used before", `"${key}" again`, at);
      this.#space();
      this.#expect(":");
      this.#space();
      visit(key, this.#value(depth + 1));
    }
  }

  #object(depth: number): Map<string, HeaderValue> {
    const out = new Map<string, HeaderValue>();
    this.entries(depth, out, (key, value) => void out.set(key, value));
    return out;
  }

  /** After the value only padding may follow; the format pads with spaces. */
  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail("the end of the header");
  }

  #value(depth: number): HeaderValue {
    const c = this.#text[this.#at];
    if (c === "{") return this.#object(depth);
    if (c === "[") return this.#array(depth);
    return c === '"' ? this.#string() : this.#integer();
  }

  #array(depth: number): HeaderValue[] {
    const out: HeaderValue[] = [];
    for (let more = this.#open("[", "]", depth); more; more = this.#next("]", out.length)) out.push(this.#value(depth + 1));
    return out;
  }

  /** Enters a list or object; whether it has an entry. */
  #open(open: string, close: string, depth: number): boolean {
    if (depth > MAX_DEPTH) this.#fail(`nesting of at most ${MAX_DEPTH}`);
    this.#expect(open);
    this.#space();
    return !this.#closes(close);
  }

  /** Goes on behind an entry; whether another one follows. */
  #next(close: string, entries: number): boolean {
    if (entries > MAX_ENTRIES) this.#fail(`at most ${MAX_ENTRIES} entries`);
    this.#space();
    if (this.#closes(close)) return false;
    this.#expect(",");
    this.#space();
    return true;
  }

  #closes(close: string): boolean {
    if (this.#text[this.#at] !== close) return false;
    this.#at++;
    return true;
  }

  /** Only whole numbers that a double holds exactly; -1, 1.0 and 1e3 are no sizes. */
  #integer(): number | string {
    const text = this.#text;
    let end = this.#at;
    let n = 0;
    for (let c = text.charCodeAt(end); c >= 48 && c <= 57; c = text.charCodeAt(++end)) n = 10 * n + (c - 48);
    const digits = end - this.#at;
    const canonical = digits > 0 && (digits === 1 || text[this.#at] !== "0") && !/[.eE]/.test(text[end] ?? "");
    if (!canonical || n > Number.MAX_SAFE_INTEGER) return this.#other();
    this.#at = end;
    return n;
  }

  /** Another number, true, false, null: as their text, where that is wanted. */
  #other(): string {
    const other = this.#loose && /^(?:-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null)/.exec(this.#text.slice(this.#at, this.#at + 64));
    if (!other) return this.#fail("a string, list, object or whole number below 2^53");
    this.#at += other[0].length;
    return other[0];
  }

  #string(): string {
    const start = this.#at;
    this.#expect('"');
    const end = this.#closingQuote();
    this.#at = end + 1;
    const inner = this.#text.slice(start + 1, end);
    // Nearly all names are plain ASCII without escapes.
    if (PLAIN.test(inner)) return inner;
    // JSON.parse on one string literal is exact: it does the escapes and refuses raw control characters.
    const text = tryParse(this.#text.slice(start, end + 1));
    if (text === undefined || !text.isWellFormed()) this.#fail("a valid string", undefined, start);
    return text as string;
  }

  #closingQuote(): number {
    let i = this.#text.indexOf('"', this.#at);
    // A quote behind an odd number of backslashes is escaped.
    while (i >= 0 && this.#backslashesBefore(i) % 2 === 1) i = this.#text.indexOf('"', i + 1);
    if (i < 0) this.#fail("a closing quote");
    return i;
  }

  #backslashesBefore(end: number): number {
    let n = 0;
    while (end - n > this.#at && this.#text[end - 1 - n] === "\\") n++;
    return n;
  }

  #space(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c !== 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) return;
      this.#at++;
    }
  }

  #expect(c: string): void {
    if (this.#text[this.#at] !== c) this.#fail(`"${c}"`);
    this.#at++;
  }

  #fail(expected: string, found?: string, at = this.#at): never {
    const here = found ?? (at < this.#text.length ? `"${this.#text.slice(at, at + 12)}"` : "the end");
    throw new TritlensError("E_FORMAT", `malformed header at character ${at}`, { expected, found: here });
  }
}

function tryParse(literal: string): (string & { isWellFormed(): boolean }) | undefined {
  try {
    return JSON.parse(literal) as string & { isWellFormed(): boolean };
  } catch {
    return undefined;
  }
}
