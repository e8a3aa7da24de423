/** Byte-pair merging, by scores of pieces (SentencePiece) or by ranks of merges (GPT-2). */

/** Neighbours of a piece in a word, and whether it was merged away. */
interface Piece {
  text: string;
  prev: number;
  next: number;
}

/** Two neighbours that can be merged. */
interface Candidate {
  readonly left: number;
  readonly right: number;
  readonly text: string;
  readonly score: number;
}

/** How good it is to merge two neighbours; undefined when they are not to be merged. */
export type MergeScore = (left: string, right: string) => number | undefined;

/**
 * Merges the characters of a word: always the two neighbours with the highest score, the leftmost of equals (Sennrich et al. 2016; with the scores of pieces it is
 * the `bpe` model of SentencePiece, Kudo and Richardson 2018).
 */
export function mergePieces(word: string, scoreOf: MergeScore): string[] {
  const chars = Array.from(word);
  const pieces: Piece[] = chars.map((text, i) => ({ text, prev: i - 1, next: i + 1 < chars.length ? i + 1 : -1 }));
  const heap = new Heap();
  const offer = (left: number, right: number): void => {
    if (left < 0 || right < 0) return;
    const [l, r] = [(pieces[left] as Piece).text, (pieces[right] as Piece).text];
    const score = scoreOf(l, r);
    if (score !== undefined) heap.push({ left, right, text: l + r, score });
  };
  for (let i = 1; i < pieces.length; i++) offer(i - 1, i);
  for (let best = heap.pop(); best; best = heap.pop()) {
    const [left, right] = [pieces[best.left] as Piece, pieces[best.right] as Piece];
    // One of the two has been merged since.
    if (left.text === "" || right.text === "" || left.text + right.text !== best.text) continue;
    left.text = best.text;
    right.text = "";
    left.next = right.next;
    if (right.next >= 0) (pieces[right.next] as Piece).prev = best.left;
    offer(left.prev, best.left);
    offer(best.left, left.next);
  }
  return pieces.map((piece) => piece.text).filter((text) => text !== "");
}

/** Highest score first, leftmost of equals. */
class Heap {
  readonly #items: Candidate[] = [];

  push(item: Candidate): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (before(items[up] as Candidate, item)) break;
      items[at] = items[up] as Candidate;
      at = up;
    }
    items[at] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && before(items[down + 1] as Candidate, items[down] as Candidate)) down++;
      if (!before(items[down] as Candidate, last)) break;
      items[at] = items[down] as Candidate;
      at = down;
    }
    items[at] = last;
    return top;
  }
}

function before(a: Candidate, b: Candidate): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
