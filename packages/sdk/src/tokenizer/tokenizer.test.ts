import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TritlensError } from "../core/index.ts";
import { type GgufMetadata, GgufStrings, type GgufValue } from "../io/index.ts";
import {
  applyChatTemplate,
  detokenize,
  getTokenPosition,
  type Tokenizer,
  tokenizerFromFolder,
  tokenizerFromGguf,
  toSingleToken,
  toStrTokens,
  toTokens,
} from "./index.ts";
import { mergePieces } from "./pieces.ts";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const folder = (files: Record<string, unknown>): Promise<Tokenizer | undefined> =>
  tokenizerFromFolder(async (name) => (Object.hasOwn(files, name) ? bytes(files[name]) : undefined));

/** A byte-level vocabulary as a GGUF has it: the 256 bytes, two merges, two control tokens. */
function byteLevel(changes: Record<string, unknown> = {}): GgufMetadata {
  const alphabet = [...Array(256).keys()].map((b) => String.fromCodePoint(spelling(b)));
  const tokens = [...alphabet, "th", "the", "<s>", "<|im_end|>"];
  const types = Int32Array.from(tokens, (_, i) => (i >= 258 ? 3 : 1));
  return metadataOf({
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": types,
    "tokenizer.ggml.merges": ["t h", "th e"],
    "tokenizer.ggml.bos_token_id": 258,
    "tokenizer.ggml.eos_token_id": 259,
    ...changes,
  });
}

/** GPT-2's printable stand-in for a byte. */
function spelling(byte: number): number {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  if (printable(byte)) return byte;
  return 256 + [...Array(byte).keys()].filter((b) => !printable(b)).length;
}

/** A SentencePiece vocabulary: unknown, ends, all bytes, a few scored pieces. */
function pieces(changes: Record<string, unknown> = {}): GgufMetadata {
  const byteTokens = [...Array(256).keys()].map((b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
  const words = ["▁", "t", "h", "e", "th", "the", "▁the", "▁t"];
  const tokens = ["<unk>", "<s>", "</s>", ...byteTokens, ...words];
  return metadataOf({
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.scores": Float32Array.from(tokens, (_, i) => -i),
    "tokenizer.ggml.token_type": Int32Array.from(tokens, (_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)),
    ...changes,
  });
}

/** Values as the reader gives them. */
function metadataOf(values: Record<string, unknown>): GgufMetadata {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return new Map(entries.map(([key, value]) => [key, stored(value)]));
}

function stored(value: unknown): GgufValue {
  if (typeof value === "string") return { type: "STRING", value };
  if (typeof value === "boolean") return { type: "BOOL", value };
  if (typeof value === "number") return { type: "UINT32", value };
  if (value instanceof Float32Array) return { type: "ARRAY", of: "FLOAT32", value };
  if (value instanceof Int8Array) return { type: "ARRAY", of: "INT8", value };
  if (value instanceof Int32Array) return { type: "ARRAY", of: "INT32", value };
  return { type: "ARRAY", of: "STRING", value: GgufStrings.from(value as string[]) };
}

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof TritlensError) return error.code;
    throw error;
  }
  return "nothing was thrown";
};

describe("a GGUF's tokenizer", () => {
  it("knows its special tokens", async () => {
    const tokenizer = (await tokenizerFromGguf(byteLevel())) as Tokenizer;
    expect(tokenizer.special).toEqual({ bos: 258, eos: 259, ends: [259] });
    expect(tokenizer.vocabSize).toBe(260);
    expect(tokenizer.encode("the <s>")).toEqual([257, 32, 258]);
    expect(tokenizer.isSpecial(258)).toBe(true);
    expect(tokenizer.decode([257, 258], { skipSpecialTokens: true })).toBe("the");
    const adding = (await tokenizerFromGguf(byteLevel({ "tokenizer.ggml.add_bos_token": true }))) as Tokenizer;
    expect(adding.encode("the")).toEqual([258, 257]);
    expect(adding.encode("the", { addSpecialTokens: false })).toEqual([257]);
  });

  it("has SentencePiece's spaces, scores and bytes", async () => {
    const tokenizer = (await tokenizerFromGguf(pieces())) as Tokenizer;
    const [bos, the] = [1, 265];
    expect(tokenizer.encode("the the")).toEqual([bos, the, the]);
    expect(tokenizer.tokenText(the)).toBe(" the");
    expect(tokenizer.decode(tokenizer.encode("é the"), { skipSpecialTokens: true })).toBe("é the");
    expect(tokenizer.decode([999_999, the])).toBe("the");
  });

  it.each([
    ["none", "no_vocab"],
    ["nothing at all", undefined],
  ])("is undefined for %s", async (_, model) => {
    expect(await tokenizerFromGguf(metadataOf({ "tokenizer.ggml.model": model }))).toBeUndefined();
  });

  it.each([
    ["scores of another type", "E_FORMAT", pieces({ "tokenizer.ggml.scores": new Int8Array(267) })],
    ["fewer scores than tokens", "E_FORMAT", pieces({ "tokenizer.ggml.scores": new Float32Array(1) })],
    ["scores that are no numbers", "E_FORMAT", pieces({ "tokenizer.ggml.scores": new Float32Array(267).fill(Number.NaN) })],
    ["no scores", "E_FORMAT", pieces({ "tokenizer.ggml.scores": undefined })],
    ["kinds of another length", "E_FORMAT", byteLevel({ "tokenizer.ggml.token_type": new Int32Array(3) })],
    ["no merges", "E_FORMAT", byteLevel({ "tokenizer.ggml.merges": undefined })],
    ["a merge without a space", "E_FORMAT", byteLevel({ "tokenizer.ggml.merges": ["th"] })],
    ["no tokens", "E_FORMAT", byteLevel({ "tokenizer.ggml.tokens": undefined })],
    ["an empty vocabulary", "E_FORMAT", byteLevel({ "tokenizer.ggml.tokens": [] })],
    ["tokens that are numbers", "E_FORMAT", byteLevel({ "tokenizer.ggml.tokens": new Int32Array(2) })],
    ["a token twice", "E_FORMAT", byteLevel({ "tokenizer.ggml.tokens": ["a", "a"], "tokenizer.ggml.token_type": undefined })],
    [
      "three million tokens",
      "E_FORMAT",
      byteLevel({ "tokenizer.ggml.tokens": new Array(3_000_000).fill("a"), "tokenizer.ggml.token_type": undefined }),
    ],
    ["an eos outside of the vocabulary", "E_FORMAT", byteLevel({ "tokenizer.ggml.eos_token_id": 260 })],
    ["scores but no tokens", "E_FORMAT", pieces({ "tokenizer.ggml.tokens": undefined })],
    [
      "wrong scores of a vocabulary without a name",
      "E_FORMAT",
      pieces({ "tokenizer.ggml.model": undefined, "tokenizer.ggml.scores": new Float32Array(1) }),
    ],
    [
      "wrong scores of another kind of vocabulary",
      "E_FORMAT",
      pieces({ "tokenizer.ggml.model": "bert", "tokenizer.ggml.scores": new Int8Array(267) }),
    ],
    ["a model that is no text", "E_FORMAT", byteLevel({ "tokenizer.ggml.model": 3 })],
    ["another kind of vocabulary", "E_NAME", byteLevel({ "tokenizer.ggml.model": "bert" })],
    ["an unknown pre-tokenizer", "E_NAME", byteLevel({ "tokenizer.ggml.pre": "lama-bpe" })],
  ])("with %s is %s", async (_, code, metadata) => {
    expect(await codeOf(tokenizerFromGguf(metadata))).toBe(code);
  });

  it.each([
    ["a merge makes no token", { "tokenizer.ggml.merges": ["t h", "th r"] }],
    ["a byte is missing", { "tokenizer.ggml.tokens": ["t", "h", "th"], "tokenizer.ggml.token_type": undefined, "tokenizer.ggml.bos_token_id": 0 }],
  ])("says that %s when a text needs it", async (_, changes) => {
    const tokenizer = (await tokenizerFromGguf(byteLevel({ ...changes, "tokenizer.ggml.eos_token_id": 0 }))) as Tokenizer;
    expect(tokenizer.encode("th").length).toBe(1);
    expect(() => tokenizer.encode("thr")).toThrow(/E_FORMAT: the vocabulary lacks a piece/);
  });

  it("takes every text there and back, in pieces or at once", async () => {
    const both = [await tokenizerFromGguf(byteLevel()), await tokenizerFromGguf(pieces({ "tokenizer.ggml.add_bos_token": false }))] as Tokenizer[];
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        for (const tokenizer of both) {
          const ids = tokenizer.encode(text);
          const whole = tokenizer.decode(ids);
          if (!text.includes("▁")) expect(whole).toBe(text);
          const stream = tokenizer.stream({ skipSpecialTokens: false });
          expect(ids.map((id) => stream.push(id)).join("") + stream.end()).toBe(whole);
        }
      }),
    );
  });

  it("streams broken bytes as the whole decodes them", async () => {
    const tokenizer = (await tokenizerFromGguf(byteLevel())) as Tokenizer;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 257 }), { maxLength: 40 }), (ids) => {
        const stream = tokenizer.stream({ skipSpecialTokens: false });
        expect(ids.map((id) => stream.push(id)).join("") + stream.end()).toBe(tokenizer.decode(ids));
      }),
    );
  });

  it("keeps the space of the first word when it follows a prompt", async () => {
    const tokenizer = (await tokenizerFromGguf(pieces())) as Tokenizer;
    expect(tokenizer.stream().push(265)).toBe("the");
    expect(tokenizer.stream({ context: [265] }).push(265)).toBe(" the");
  });

  it("has a token named __proto__ like any other", async () => {
    const known = byteLevel().get("tokenizer.ggml.tokens") as { value: GgufStrings };
    const tokens = [...known.value, "__proto__"];
    const tokenizer = await tokenizerFromGguf(byteLevel({ "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": undefined }));
    expect(tokenizer?.idOf("__proto__")).toBe(260);
    expect(tokenizer?.idOf("toString")).toBeUndefined();
    expect(tokenizer?.token(260)).toBe("__proto__");
  });
});

describe("a folder's tokenizer", () => {
  const json = { model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] }, added_tokens: [{ id: 3, content: "<e>", special: true }] };

  it("takes special tokens and templates from the files beside it", async () => {
    const tokenizer = await folder({
      "tokenizer.json": json,
      "tokenizer_config.json": { bos_token: { content: "<e>" }, chat_template: [{ name: "default", template: "hi" }] },
      "generation_config.json": { eos_token_id: [3, 2] },
    });
    expect(tokenizer?.special).toEqual({ bos: 3, eos: 3, ends: [3, 2] });
    expect(tokenizer?.chatTemplate).toBe("hi");
    expect(tokenizer?.encode("abab")).toEqual([2, 2]);
    expect(await folder({})).toBeUndefined();
  });

  it.each([
    ["no JSON", "{"],
    ["no object", []],
    ["no model", {}],
    ["no vocabulary", { model: { type: "BPE", merges: [] } }],
    ["no merges", { model: { type: "BPE", vocab: { a: 0 } } }],
    ["merges of another form", { model: { type: "BPE", vocab: { a: 0 }, merges: ["a b c"] } }],
    ["an id twice", { model: { type: "BPE", vocab: { a: 0, b: 0 }, merges: [] } }],
    ["a huge id", { model: { type: "BPE", vocab: { a: 4e9 }, merges: [] } }],
    ["an id that is no number", { model: { type: "BPE", vocab: { a: "0" }, merges: [] } }],
    ["an unknown pre-tokenizer", { ...json, pre_tokenizer: { type: "Sorcery" } }],
    ["a pattern that is none", { ...json, pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } }],
    ["an added token without text", { ...json, added_tokens: [{ id: 3 }] }],
  ])("with %s is E_FORMAT", async (_, content) => {
    expect(await codeOf(folder({ "tokenizer.json": content }))).toBe("E_FORMAT");
  });
});

describe("verbs", () => {
  it("speak of tokens as TransformerLens does", async () => {
    const tokenizer = (await tokenizerFromGguf(byteLevel())) as Tokenizer;
    const model = { tokenizer };
    expect(toTokens(model, "the", { prependBos: true })).toEqual([258, 257]);
    expect(toTokens(model, "the", { prependBos: false })).toEqual([257]);
    expect(detokenize(model, [257, 32, 257])).toBe("the the");
    expect(toStrTokens(model, "the t")).toEqual(["the", " ", "t"]);
    expect(toSingleToken(model, "the")).toBe(257);
    expect(getTokenPosition(model, "the", "the the", { mode: "last" })).toBe(2);
    expect(() => toSingleToken(model, "the the")).toThrow(/3: "the", " ", "the"/);
    expect(() => getTokenPosition(model, "th", "the")).toThrow(/E_NAME/);
    expect(() => toTokens({}, "the")).toThrow(/E_MODE/);
    expect(() => tokenizer.decode([-1])).toThrow(/E_RANGE/);
    expect(() => tokenizer.encode(3 as unknown as string)).toThrow(/E_RANGE/);
  });
});

describe("chat templates", () => {
  const template =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
  const messages = [{ role: "user", content: "the" }];
  const withTemplate = async (text: string): Promise<Tokenizer> =>
    (await tokenizerFromGguf(byteLevel({ "tokenizer.chat_template": text }))) as Tokenizer;

  it("write a conversation", async () => {
    const tokenizer = await withTemplate(template);
    expect(await applyChatTemplate(tokenizer, messages)).toBe("<s>[user] the<|im_end|>[assistant]");
    expect(await applyChatTemplate({ tokenizer }, messages, { addGenerationPrompt: false })).toBe("<s>[user] the<|im_end|>");
    const dated = "{{ strftime_now('%Y') }}{% for i in range(2) %}{{ i }}{% endfor %}{{ tools is none }}{{ x }}";
    expect(await applyChatTemplate(tokenizer, messages, { template: dated, variables: { x: 7 } })).toBe(`${new Date().getFullYear()}01true7`);
  });

  it.each([
    ["that does not parse", "{% for %}"],
    ["that refuses", "{{ raise_exception('only one turn') }}"],
    ["with an endless loop", "{% for i in range(9999) %}{% for j in range(9999) %}{{ j }}{% endfor %}{% endfor %}"],
    ["with an enormous range", "{% for i in range(10000000000) %}{% endfor %}"],
    ["that wants out", "{{ messages.constructor.constructor('return process')().exit() }}"],
    ["that is too long", "x".repeat(300_000)],
  ])("%s are E_FORMAT", async (_, text) => {
    // Making the tokenizer does not look at the template.
    const tokenizer = await withTemplate(text);
    expect(await codeOf(applyChatTemplate(tokenizer, messages))).toBe("E_FORMAT");
  });

  it("are E_MODE where there is none", async () => {
    expect(await codeOf(applyChatTemplate((await tokenizerFromGguf(byteLevel())) as Tokenizer, messages))).toBe("E_MODE");
  });
});

it("merges a long word in about linear time", () => {
  const scores = new Map([
    ["aa", -1],
    ["aaaa", -2],
  ]);
  expect(mergePieces("a".repeat(200_002), (l, r) => scores.get(l + r)).length).toBe(50_001);
});
