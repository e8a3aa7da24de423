/** Progress of a download that is read from beginning to end. */
import type { LoadProgress, SourceOptions } from "./source.ts";

/** Reports the bytes of a stream as they pass. */
export class Watcher {
  readonly stream: TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>;
  /** What the callback threw; who reads the stream answers with errors of its own then. */
  thrown: { readonly error: unknown } | undefined;

  /** @param total - Bytes to come, 0 when that is not known. */
  constructor(file: string, total: number, { onProgress }: SourceOptions) {
    let loaded = 0;
    const report = (status: LoadProgress["status"]): void => {
      try {
        onProgress?.({ status, file, loaded, total, progress: total > 0 ? Math.min(100, (100 * loaded) / total) : 0 });
      } catch (error) {
        this.thrown ??= { error };
        throw error;
      }
    };
    this.stream = new TransformStream({
      start: () => report("initiate"),
      transform: (chunk, out) => {
        loaded += chunk.byteLength;
        report("progress");
        out.enqueue(chunk);
      },
      flush: () => report("done"),
    });
  }
}
