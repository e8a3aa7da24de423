/** SentencePiece's byte-pair merging: by the score of the piece that comes out, not by a list of merges. */

/** Neighbours of a piece in a word, and whether it was merged away. */
interface Piece {
  text: string;
  prev: number;
  next: number;
}

/** Two neighbours that make a piece of the vocabulary. */
interface Candidate {
  readonly left: number;
  readonly right: number;
  readonly text: string;
  readonly score: number;
}

/**
 * Merges the characters of a word: always the two neighbours whose join has the highest score, the leftmost of equals (Kudo and Richardson 2018, SentencePiece's
 * `bpe_model`). What is in no piece at all stays a character.
 *
 * @param scores - Score of every piece.
 */
export function mergeByScore(word: string, scores: ReadonlyMap<string, number>): string[] {
  const chars = Array.from(word);
  const pieces: Piece[] = chars.map((text, i) => ({ text, prev: i - 1, next: i + 1 < chars.length ? i + 1 : -1 }));
  const heap = new Heap();
  const offer = (left: number, right: number): void => {
    if (left < 0 || right < 0) return;
    const text = (pieces[left] as Piece).text + (pieces[right] as Piece).text;
    const score = scores.get(text);
    if (score !== undefined) heap.push({ left, right, text, score });
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
