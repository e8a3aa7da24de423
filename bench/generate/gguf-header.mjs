/** The head of a GGUF v3 file: magic, metadata, tensor list, padded to 32 bytes. Not the project's writer: what is measured is read from a file that other code wrote. */

const TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };
const ALIGNMENT = 32;

class Bytes {
  parts = [];
  number(size, set) {
    const view = new DataView(new ArrayBuffer(size));
    set(view);
    this.parts.push(Buffer.from(view.buffer));
  }
  u32 = (value) => this.number(4, (view) => view.setUint32(0, value, true));
  i32 = (value) => this.number(4, (view) => view.setInt32(0, value, true));
  f32 = (value) => this.number(4, (view) => view.setFloat32(0, value, true));
  u64 = (value) => this.number(8, (view) => view.setBigUint64(0, BigInt(value), true));
  bool = (value) => this.parts.push(Buffer.from([value ? 1 : 0]));
  string(text) {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    this.parts.push(bytes);
  }
  array([type, values]) {
    this.u32(TYPES[type]);
    this.u64(values.length);
    for (const value of values) this[type](value);
  }
  done() {
    const bytes = Buffer.concat(this.parts);
    return Buffer.concat([bytes, Buffer.alloc((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT)]);
  }
}

/**
 * @param metadata - a string, or [type, value]; an array's value is [type, values].
 * @param tensors - `{ name, id, rows, cols, bytes }`, `rows` undefined for a vector; their bytes follow the head one after the other.
 */
export function header(metadata, tensors) {
  const out = new Bytes();
  const pairs = Object.entries(metadata);
  out.parts.push(Buffer.from("GGUF"));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(pairs.length);
  for (const [key, given] of pairs) {
    const [type, value] = typeof given === "string" ? ["string", given] : given;
    out.string(key);
    out.u32(TYPES[type]);
    out[type](value);
  }
  let offset = 0;
  for (const { name, id, rows, cols, bytes } of tensors) {
    // The fastest dimension first.
    const dims = rows === undefined ? [cols] : [cols, rows];
    out.string(name);
    out.u32(dims.length);
    for (const each of dims) out.u64(each);
    out.u32(id);
    out.u64(offset);
    if (bytes % ALIGNMENT !== 0) throw new Error(`${name} has ${bytes} bytes`);
    offset += bytes;
  }
  return out.done();
}

/** A byte-level vocabulary in GPT-2's alphabet, filled up with words that no text contains: for peers that insist on text. */
export function byteVocabulary(size) {
  const visible = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  const letters = Array.from({ length: 256 }, (_, byte) => [byte, String.fromCharCode(visible(byte) ? byte : next++)]);
  // Visible bytes first, as GPT-2 numbers them.
  const alphabet = [...letters.filter(([byte]) => visible(byte)), ...letters.filter(([byte]) => !visible(byte))].map(([, letter]) => letter);
  const tokens = [...alphabet, ...Array.from({ length: size - 256 }, (_, i) => `<t${i}>`)];
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": ["array", ["string", tokens]],
    "tokenizer.ggml.token_type": ["array", ["i32", tokens.map(() => 1)]],
    "tokenizer.ggml.merges": ["array", ["string", [`${letters[32][1]} t`]]],
    "tokenizer.ggml.bos_token_id": ["u32", 256],
    "tokenizer.ggml.eos_token_id": ["u32", 257],
    "tokenizer.ggml.add_bos_token": ["bool", false],
  };
}
