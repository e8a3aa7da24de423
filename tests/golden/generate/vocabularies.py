"""Tokenizers as a GGUF stores them, with ids from the reference libraries: `tokenizers` for byte-level BPE, `sentencepiece` for SentencePiece.

python vocabularies.py OUT    (pip install tokenizers sentencepiece)
"""
import io, json, os, sys
import sentencepiece as spm
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

out = sys.argv[1]
os.makedirs(out, exist_ok=True)

CORPUS = [
    "The year 1732 had 366 days, and the year 1733 had 365.",
    "naïve café owners don't say they're naïve; they've said it'll be fine.",
    "Ternary networks hold weights of -1, 0 and +1; binary networks hold weights of -1 and +1.",
    "  two  spaces\n\ttab\n\n  def f(x):\n    return x*x  # code",
    "東京 は日本の首都です。 Москва — столица России. Ελλάδα",
    "WE'LL SEE WHAT THE TOKENIZER'S PATTERN DOES, HE'D SAID: 12345678901",
    "aaaaaaaa aaaa aaa aa a bbbb abababab",
] * 4
TEXTS = [
    "", " ", "The year 1732", "the networks don't hold 12345 weights", "WE'LL see, I'D say", "naïve café 🙂🙂", "  two  spaces\n\n\ttab \n x", "東京 ternary Москва",
    "cafe\u0301 composed", "a  b   c    ", "aaaaaaaaaaaaa", "aaaaabaaab", "<s>hello</s>", "<|end|>The year<|end|>", "x=1;\r\n\r\ny=[2,3]!!!\n", "ﬁ Ⅷ ½ ٣", "__proto__ constructor", "<0x41> ▁ Ġ",
    "\u00a0nbsp\u3000wide", "emoji 👩‍👩‍👧 family", "don’t it’s",
]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
MODERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KINDS = {
    "gpt-2": ([GPT2], None, False),
    "llama-bpe": ([MODERN % r"\p{N}{1,3}"], None, True),
    "qwen2": ([MODERN % r"\p{N}"], normalizers.NFC(), False),
    "smollm": ([r"\p{N}", GPT2], None, False),
    "default": ([r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"], None, False),
}


def byte_level(name, patterns, normalizer, whole_words):
    tok = Tokenizer(models.BPE(ignore_merges=whole_words))
    splits = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    tok.pre_tokenizer = pre_tokenizers.Sequence(splits + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    if normalizer is not None:
        tok.normalizer = normalizer
    tok.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|end|>"]
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(tok.to_str())["model"]
    tokens = [tok.id_to_token(i) for i in range(tok.get_vocab_size())]
    metadata = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": name,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if t in special else 1 for t in tokens],
        "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in model["merges"]],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_bos_token": False,
    }
    cases = [{"text": t, "ids": tok.encode(t).ids, "decoded": tok.decode(tok.encode(t).ids, skip_special_tokens=False)} for t in TEXTS]
    save(f"gguf-{name}", metadata, cases)


def sentence_piece():
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=420, model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=True, hard_vocab_limit=False, character_coverage=0.98, user_defined_symbols=["<|end|>"], minloglevel=2)
    sp = spm.SentencePieceProcessor(model_proto=model.getvalue())
    n = sp.get_piece_size()
    kind = lambda i: 2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 4 if sp.id_to_piece(i) == "<|end|>" else 1
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [sp.id_to_piece(i) for i in range(n)],
        "tokenizer.ggml.scores": [sp.get_score(i) for i in range(n)],
        "tokenizer.ggml.token_type": [kind(i) for i in range(n)],
        "tokenizer.ggml.bos_token_id": sp.bos_id(),
        "tokenizer.ggml.eos_token_id": sp.eos_id(),
        "tokenizer.ggml.unknown_token_id": sp.unk_id(),
        "tokenizer.ggml.add_bos_token": False,
    }
    # sentencepiece reads special tokens in text as text, and puts its space in front of the text only: those cases belong to the models' own convention.
    texts = [t for t in TEXTS if "<" not in t]
    cases = [{"text": t, "ids": sp.encode(t), "decoded": sp.decode(sp.encode(t))} for t in texts]
    save("gguf-llama", metadata, cases)


def whole_files():
    """Other kinds of tokenizer.json than byte-level BPE, as older models have them."""
    byte_tokens = [f"<0x{b:02X}>" for b in range(256)]
    llama = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    llama.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, limit_alphabet=60, special_tokens=["<unk>", "<s>", "</s>"] + byte_tokens, show_progress=False))
    content = json.loads(llama.to_str())
    # Bytes are tokens of the vocabulary, not special ones.
    content["added_tokens"] = content["added_tokens"][:3]
    content["post_processor"] = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                                 "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                                 "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    whole("json-llama", Tokenizer.from_str(json.dumps(content)))
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=200, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False))
    whole("json-unigram", unigram)
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer(lowercase=True)
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.decoder = decoders.WordPiece(cleanup=False)
    words.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[CLS]"], show_progress=False))
    whole("json-wordpiece", words)


def whole(name, tok):
    encode = lambda t: tok.encode(t).ids
    cases = [{"text": t, "ids": encode(t), "decoded": tok.decode(encode(t), skip_special_tokens=False)} for t in TEXTS]
    json.dump({"tokenizer": json.loads(tok.to_str()), "cases": cases}, open(f"{out}/{name}.json", "w"), ensure_ascii=False)


def save(name, metadata, cases):
    json.dump({"metadata": metadata, "cases": cases}, open(f"{out}/{name}.json", "w"), ensure_ascii=False)


for name, (patterns, normalizer, whole_words) in KINDS.items():
    byte_level(name, patterns, normalizer, whole_words)
sentence_piece()
whole_files()
