/** Files: safetensors and GGUF, where they come from and where they go, checksums. */
export { CHECKSUM_KEY, checksumPlaceholder, sealChecksum, verifyChecksum } from "./checksum.ts";
export { DTYPE_BYTES, decodeFloats, decodeInts, type StoredDType } from "./dtype.ts";
export { type FolderLock, lockFile, lockFolder, readFileBytes, readSafetensors, writeFileAtomic } from "./files.ts";
export { type FileSet, filesBeside, openFolder } from "./folder.ts";
export * from "./gguf/index.ts";
export { detectFormat } from "./magic.ts";
export { npyHeader, parseNpy } from "./npy.ts";
export { parseSafetensors, type SafetensorsFile, type StoredTensor, serializeSafetensors, toTensor } from "./safetensors.ts";
export { openSafetensors, readShards, readTensorBytes, type Safetensors, type StoredTensorInfo } from "./safetensors-reader.ts";
export { type SafetensorsContent, type SafetensorsItem, writeSafetensors } from "./safetensors-writer.ts";
export { parseShardIndex } from "./shards.ts";
export { type ByteSink, type MemorySink, memorySink, type WriteOptions, type WriteTarget } from "./sink.ts";
export { openSource, type SourceInput } from "./source/open.ts";
export type { ByteSource, LoadProgress, SourceOptions } from "./source/source.ts";
export { readText } from "./source/text.ts";
